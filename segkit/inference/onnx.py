"""An ONNX file that `segkit export` wrote, as a network that predicts: ONNX Runtime, on the CPU. No torch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.core.errors import SegkitError, first_line
from segkit.inference.export_metadata import INPUT_NAME, Exported, exported_from, model_fails

if TYPE_CHECKING:
    from segkit.core.types import Pixels
    from segkit.inference.model_info import ModelInfo
    from segkit.inference.network import Probabilities

_FATAL = 4  # what ONNX Runtime logs by itself: all the rest comes as an exception
_TYPES = {"pixels": "tensor(uint8)", "normalized": "tensor(float)"}


@dataclass(frozen=True)
class OnnxNetwork:
    """An opened ONNX file; see `segkit.inference.Network`.

    Args:
        exported: what the file says of itself.
        session: of ONNX Runtime.
        path: of the file.
    """

    exported: Exported
    session: Any
    path: Path

    @property
    def facts(self) -> ModelInfo:
        """What it is."""
        return self.exported.facts

    def __call__(self, pixels: Pixels) -> Probabilities:
        """(B, H, W, C) uint8 -> probabilities (B, K, H, W)."""
        try:
            (output,) = self.session.run(None, {INPUT_NAME: self.exported.asked(pixels)})
        except Exception as error:  # ONNX Runtime's own have no common class but this
            raise model_fails(self.path, pixels, error) from error
        wanted = (len(pixels), self.facts.task.channels, *pixels.shape[1:3])
        if output.shape != wanted:
            raise _damaged(self.path, f"it answers in the shape {output.shape}, and not {wanted}")
        return self.exported.answered(output)


def open_onnx(path: Path, *, threads: int | None = None) -> OnnxNetwork:
    """Open a file that `segkit export --format onnx` wrote.

    Args:
        path: of the file.
        threads: that compute; by default as many as the process has cores, or $OMP_NUM_THREADS.

    Raises:
        SegkitError: if ONNX Runtime is not installed, or the file is damaged, or not one of segkit's.
    """
    if not path.is_file():
        raise SegkitError("there is no such file", where=str(path))
    session = _session(path, threads or _threads())
    try:
        exported = exported_from(session.get_modelmeta().custom_metadata_map)
    except KeyError:
        raise SegkitError(
            "this ONNX file says nothing of classes and pixels: segkit did not write it",
            where=str(path),
            hint="segkit export RUN --format onnx writes one that segkit can load",
        ) from None
    except ValueError as error:
        raise _damaged(path, str(error)) from None
    _check(path, exported, session)
    return OnnxNetwork(exported, session, path)


def _session(path: Path, threads: int) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        hint = "python -m pip install onnxruntime"
        raise SegkitError(
            "onnxruntime is not installed, which runs ONNX files", where=str(path), hint=hint
        ) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own have no common class but this
        raise _damaged(path, first_line(error)) from error


def _threads() -> int:
    """As torch takes them; by itself ONNX Runtime counts the machine's cores, not those of its container."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check(path: Path, exported: Exported, session: Any) -> None:
    """The graph takes and gives what the metadata says.

    Raises:
        SegkitError: if it does not.
    """
    inputs, outputs = session.get_inputs(), session.get_outputs()
    given = [(one.name, one.type, len(one.shape)) for one in inputs]
    if given != [(INPUT_NAME, _TYPES[exported.input], 4)]:
        raise _damaged(path, f"its input is {given}, and its metadata says {exported.input}")
    if [(one.name, one.type) for one in outputs] != [(exported.output, "tensor(float)")]:
        raise _damaged(path, f"its output is not what its metadata says, {exported.output}")


def _damaged(path: Path, reason: str) -> SegkitError:
    return SegkitError(
        f"the ONNX file is damaged: {reason}", where=str(path), hint="export it again, or copy it again"
    )

"""ONNX files of `segkit export` as networks: ONNX Runtime on the CPU. No torch."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.core.errors import SegkitError, first_line
from segkit.inference.export_metadata import INPUT_NAME, ExportMetadata, parse_metadata, prediction_failed
from segkit.inference.network import checked
from segkit.utils.machine import usable_cores
from segkit.utils.os_errors import is_out_of_memory

if TYPE_CHECKING:
    from segkit.core.types import Pixels
    from segkit.inference.model_info import ModelInfo
    from segkit.inference.network import Probabilities

_MIN_RUNTIME = (1, 24, 1)  # earlier ones read tensors from files outside the folder of the ONNX file
_FATAL = 4  # log level; all other errors are raised as exceptions


@dataclass(frozen=True)
class OnnxNetwork:
    """An opened ONNX file; see `segkit.inference.network.Network`.

    Args:
        metadata: metadata of the file.
        session: ONNX Runtime session.
        path: path of the file, for error messages.
    """

    metadata: ExportMetadata
    session: Any
    path: Path

    @property
    def info(self) -> ModelInfo:
        """Model information."""
        return self.metadata.info

    def __call__(self, pixels: Pixels) -> Probabilities:
        """(B, H, W, C) -> probabilities (B, K, H, W)."""
        try:
            (output,) = self.session.run(None, {INPUT_NAME: self.metadata.preprocess(pixels)})
        except Exception as error:  # the errors of ONNX Runtime share no other base class
            raise prediction_failed(self.path, pixels, error) from error
        expected = (len(pixels), self.info.task.channels, *pixels.shape[1:3])
        if output.shape != expected:
            raise _damaged(self.path, f"its output has the shape {output.shape}, expected {expected}")
        return checked(self.metadata.postprocess(output), str(self.path))


def open_onnx(path: Path, *, threads: int | None = None) -> OnnxNetwork:
    """Open a file that `segkit export --format onnx` wrote.

    Args:
        path: ONNX file.
        threads: number of threads; by default $OMP_NUM_THREADS, or the cores available to this process.

    Raises:
        SegkitError: if ONNX Runtime is not installed, or the file is damaged or not written by segkit.
    """
    if not path.is_file():
        raise SegkitError("there is no such file", where=str(path))
    session = _session(path, threads or _default_threads())
    try:
        metadata = parse_metadata(session.get_modelmeta().custom_metadata_map)
    except KeyError:
        raise SegkitError(
            "this ONNX file has no segkit metadata: it was not written by segkit export",
            where=str(path),
            hint="write one with segkit export RUN --format onnx",
        ) from None
    except ValueError as error:
        raise _damaged(path, str(error)) from None
    _check_signature(path, metadata, session)
    return OnnxNetwork(metadata, session, path)


def _session(path: Path, threads: int) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise SegkitError(
            "ONNX files need onnxruntime, which is not installed",
            where=str(path),
            hint="python -m pip install onnxruntime",
        ) from error
    if tuple(map(int, re.findall(r"\d+", onnxruntime.__version__)[:3])) < _MIN_RUNTIME:
        raise SegkitError(
            f"onnxruntime {onnxruntime.__version__} may read other files that an ONNX file names",
            where=str(path),
            hint="python -m pip install --upgrade onnxruntime",
        )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the errors of ONNX Runtime share no other base class
        if is_out_of_memory(error):
            raise
        raise _damaged(path, first_line(error)) from error


def _default_threads() -> int:
    # As torch does. ONNX Runtime would count the machine's cores, not those of its container.
    variable = os.environ.get("OMP_NUM_THREADS", "")
    if variable.isdecimal() and int(variable):
        return int(variable)
    return usable_cores()


def _check_signature(path: Path, metadata: ExportMetadata, session: Any) -> None:
    inputs = [(node.name, node.type, len(node.shape)) for node in session.get_inputs()]
    outputs = [(node.name, node.type) for node in session.get_outputs()]
    expected = "tensor(uint8)" if metadata.takes_uint8 else "tensor(float)"
    if inputs != [(INPUT_NAME, expected, 4)]:
        raise _damaged(path, f"its input {inputs} does not match its metadata, {metadata.input}")
    if outputs != [(metadata.output, "tensor(float)")]:
        raise _damaged(path, f"its output does not match its metadata, {metadata.output}")
    info = metadata.info
    _check_shape(path, "input", session.get_inputs()[0].shape, (info.in_channels, *info.size))
    _check_shape(path, "output", session.get_outputs()[0].shape, (info.task.channels, *info.size))


def _check_shape(path: Path, name: str, shape: list[Any], expected: tuple[int, int, int]) -> None:
    """Compare the sizes that a file fixes, (B, C, H, W), with its metadata; others are names or None."""
    fixed = zip(shape[1:], expected, strict=False)
    if any(isinstance(size, int) and size != stated for size, stated in fixed):
        raise _damaged(path, f"its {name} has the shape {shape}, but its metadata say {expected}")


def _damaged(path: Path, reason: str) -> SegkitError:
    return SegkitError(
        f"the ONNX file is damaged: {reason}", where=str(path), hint="export it again, or copy it again"
    )

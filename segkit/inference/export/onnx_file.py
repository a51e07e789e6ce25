"""An exported program becomes one ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from segkit.core.errors import SegkitError
from segkit.inference.export.export_graph import silenced
from segkit.inference.export_metadata import INPUT_NAME, Exported

if TYPE_CHECKING:
    from torch.export import ExportedProgram

_SIDES = {0: "batch", 2: "height", 3: "width"}


def write_onnx(program: ExportedProgram, exported: Exported, path: Path) -> None:
    """Write an ONNX file, weights inside it.

    Args:
        program: as `program_of` gives it.
        exported: what the file says of itself.
        path: of the file.

    Raises:
        OSError: if it cannot be written.
        Exception: of many classes, if ONNX lacks what the model computes.
    """
    with silenced():
        made: Any = torch.onnx.export(
            program, dynamo=True, input_names=[INPUT_NAME], output_names=[exported.output], optimize=True
        )
        model = made.model
        _clear(model.graph)
        model.metadata_props.update(exported.words())
        model.producer_name, model.producer_version = "segkit", exported.version
        made.save(path)


def require_onnx() -> None:
    """See to it that what writes ONNX files is installed.

    Raises:
        SegkitError: if it is not.
    """
    import importlib.util

    lacking = [name for name in ("onnx", "onnxscript", "onnxruntime") if not importlib.util.find_spec(name)]
    if lacking:
        raise SegkitError(
            f"ONNX files are written with {' and '.join(lacking)}, not installed here",
            hint=f"python -m pip install {' '.join(lacking)}",
        )


def _clear(graph: Any) -> None:
    """Take out the exporter's notes, which name folders of this machine, and name the sides that are free."""
    graph.metadata_props.clear()
    for node in graph:
        node.metadata_props.clear()
        node.doc_string = None
        for value in node.outputs:
            value.metadata_props.clear()
    for value in (*graph.inputs, *graph.outputs):
        value.metadata_props.clear()
        for side, name in _SIDES.items():
            if not isinstance(value.shape[side], int):
                value.shape[side] = name

"""ONNX files of exported programs."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from segkit.core.errors import SegkitError
from segkit.inference.export.export_graph import suppress_output
from segkit.inference.export_metadata import INPUT_NAME, ExportMetadata

if TYPE_CHECKING:
    from torch.export import ExportedProgram

_DYNAMIC_AXES = {0: "batch", 2: "height", 3: "width"}


def write_onnx(program: ExportedProgram, metadata: ExportMetadata, path: Path) -> None:
    """Write an ONNX file that includes the weights.

    Raises:
        OSError: if it cannot be written.
        Exception: of many classes, if ONNX lacks an operation of the model.
    """
    with suppress_output():
        exported: Any = torch.onnx.export(
            program, dynamo=True, input_names=[INPUT_NAME], output_names=[metadata.output], optimize=True
        )
        model = exported.model
        _clean(model.graph)
        model.metadata_props.update(metadata.entries())
        model.producer_name, model.producer_version = "segkit", metadata.version
        exported.save(path)


def require_onnx() -> None:
    """Check that the packages that write ONNX files are installed.

    Raises:
        SegkitError: if one is missing.
    """
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if not importlib.util.find_spec(name)]
    if missing:
        raise SegkitError(
            f"exporting ONNX files needs {' and '.join(missing)}, not installed here",
            hint=f"python -m pip install {' '.join(missing)}",
        )


def _clean(graph: Any) -> None:
    """Remove the exporter's notes, which contain folders of this machine, and name dynamic axes."""
    graph.metadata_props.clear()
    for node in graph:
        node.metadata_props.clear()
        node.doc_string = None
        for value in node.outputs:
            value.metadata_props.clear()
    for value in (*graph.inputs, *graph.outputs):
        value.metadata_props.clear()
        for axis, name in _DYNAMIC_AXES.items():
            if not isinstance(value.shape[axis], int):
                value.shape[axis] = name

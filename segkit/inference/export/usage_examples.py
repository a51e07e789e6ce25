"""Usage examples of a model card: command line, segkit, ONNX Runtime, torch."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segkit.inference.export_metadata import ExportMetadata

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True)
class CodeExample:
    """A code example under a title."""

    title: str
    language: str
    code: str


def usage_examples(metadata: ExportMetadata, file: str) -> list[CodeExample]:
    """Code examples for a file or hub folder, chosen by its extension."""
    match Path(file).suffix.lower():
        case ".pt2":
            return [_torch(metadata, file)]
        case ".onnx":
            return [*_segkit(file), _onnx_runtime(metadata, file)]
    return _segkit(file)


def _segkit(file: str) -> list[CodeExample]:
    predict = f'mask = segkit.load({_quoted(file)}).predict("photo.jpg").mask'
    command = f"segkit predict {shlex.quote(file)} photos --out masks --overlay"
    return [
        CodeExample("From a terminal:", "sh", command),
        CodeExample("From Python:", "python", f"import segkit\n\n{predict}"),
    ]


def _onnx_runtime(metadata: ExportMetadata, file: str) -> CodeExample:
    load = f"session = onnxruntime.InferenceSession({_quoted(file)})"
    call = f'({metadata.output},) = session.run(None, {{"image": image}})'
    return CodeExample("With ONNX Runtime alone:", "python", _program("onnxruntime", load, call, metadata))


def _torch(metadata: ExportMetadata, file: str) -> CodeExample:
    load = f"model = torch.export.load({_quoted(file)}).module()"
    call = f"{metadata.output} = model(torch.from_numpy(image)).numpy()"
    return CodeExample("With torch:", "python", _program("torch", load, call, metadata))


def _program(library: str, load: str, call: str, metadata: ExportMetadata) -> str:
    imports = f"import numpy as np\nimport {library}\nfrom PIL import Image\n"
    call = f"{call}  # 1 K H W, float32"
    return "\n".join([imports, load, *_image_lines(metadata), call, _mask_line(metadata)])


def _image_lines(metadata: ExportMetadata) -> list[str]:
    info = metadata.info
    height, width = info.size
    lines = [
        f'photo = Image.open("photo.jpg").convert({_quoted(_MODES[info.channels])})',
        f"small = np.asarray(photo.resize(({width}, {height}), Image.Resampling.BILINEAR))",
        f"image = small.reshape({height}, {width}, {info.channels}).transpose(2, 0, 1)[None].copy()"
        "  # 1 C H W, uint8",
    ]
    if metadata.input == "normalized":
        mean, std = (f"np.float32({list(values)}).reshape(-1, 1, 1)" for values in (info.mean, info.std))
        lines += [f"mean, std = {mean}, {std}", "image = (image / np.float32(255) - mean) / std  # float32"]
    return lines


def _mask_line(metadata: ExportMetadata) -> str:
    task, name = metadata.info.task, metadata.output
    if task.kind == "multiclass":
        return f"mask = {name}[0].argmax(axis=0)  # H W, an index into {list(task.classes)}"
    threshold = "0.5" if name == "probabilities" else "0"
    if task.kind == "multilabel":
        return f"masks = {name}[0] > {threshold}  # K H W, one for each of {list(task.classes)}"
    return f"mask = {name}[0, 0] > {threshold}  # H W, true where there is {task.classes[0]!r}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a Python string in double quotes

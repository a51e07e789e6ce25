"""Usage examples of a model card: command line, segkit, ONNX Runtime, torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.core.paths import quoted

if TYPE_CHECKING:
    from segkit.core.types import Task
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
    command = f"segkit predict {quoted(file)} photos --out masks --overlay"
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
    height, width = metadata.info.size
    call = f"{call}  # 1 K {height} {width}, float32"
    return "\n".join([imports, load, *_image_lines(metadata), call, *_mask_lines(metadata)])


def _image_lines(metadata: ExportMetadata) -> list[str]:
    info = metadata.info
    height, width = info.size
    lines = [
        f'photo = Image.open("photo.jpg").convert({_quoted(_MODES[info.channels])})',
        f"small = np.asarray(photo.resize(({width}, {height}), Image.Resampling.BILINEAR))",
        f"image = small.reshape({height}, {width}, {info.channels}).transpose(2, 0, 1)[None].copy()"
        f"  # 1 C {height} {width}, uint8, the training size",
    ]
    if metadata.input == "normalized":
        mean, std = (f"np.float32({list(values)}).reshape(-1, 1, 1)" for values in (info.mean, info.std))
        lines += [f"mean, std = {mean}, {std}", "image = (image / np.float32(255) - mean) / std  # float32"]
    return lines


def _mask_lines(metadata: ExportMetadata) -> list[str]:
    """The mask at the photo's own size: the model's output has the training size."""
    return [
        *(_probability_lines(metadata) if metadata.output == "logits" else ()),
        "planes = [Image.fromarray(plane) for plane in probabilities[0]]",
        "maps = [plane.resize(photo.size, Image.Resampling.BILINEAR) for plane in planes]"
        "  # K of the photo's size",
        _mask_line(metadata.info.task),
    ]


def _probability_lines(metadata: ExportMetadata) -> list[str]:
    if metadata.info.task.kind != "multiclass":
        return ["probabilities = (1 + np.tanh(logits / 2)) / 2  # the sigmoid"]
    return [
        "exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))",
        "probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)",
    ]


def _mask_line(task: Task) -> str:
    if task.kind == "multiclass":
        return f"mask = np.stack(maps).argmax(axis=0)  # H W, an index into {list(task.classes)}"
    if task.kind == "multilabel":
        return f"masks = np.stack(maps) > 0.5  # K H W, one for each of {list(task.classes)}"
    return f"mask = np.asarray(maps[0]) > 0.5  # H W, true where there is {task.classes[0]!r}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a Python string in double quotes

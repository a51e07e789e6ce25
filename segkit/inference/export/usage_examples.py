"""Usage examples of a model card: command line, segkit, ONNX Runtime, torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.core.paths import quoted

if TYPE_CHECKING:
    from segkit.core.types import Task
    from segkit.inference.export_metadata import ExportMetadata
    from segkit.inference.model_info import ModelInfo

_RGB = 3  # channels
_MODES = {1: "L", _RGB: "RGB", 4: "RGBA"}


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
            return [*_segkit(metadata, file), _onnx_runtime(metadata, file)]
    return _segkit(metadata, file)


def _segkit(metadata: ExportMetadata, file: str) -> list[CodeExample]:
    predict = f"mask = segkit.load({_quoted(file)}).predict({_photo(metadata.info)}).mask"
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
    modules = ["numpy as np", *sorted([library, *(() if _is_photo(metadata.info) else ("tifffile",))])]
    imports = "".join(f"import {module}\n" for module in modules) + "from PIL import Image\n"
    height, width = metadata.info.size
    call = f"{call}  # 1 K {height} {width}, float32"
    return "\n".join([imports, load, *_image_lines(metadata), call, *_mask_lines(metadata)])


def _image_lines(metadata: ExportMetadata) -> list[str]:
    info = metadata.info
    height, width = info.size
    if _is_photo(info):
        lines = [
            f"photo = Image.open({_photo(info)}).convert({_quoted(_MODES[info.channels])})",
            f"small = np.asarray(photo.resize(({width}, {height}), Image.Resampling.BILINEAR))",
            f"image = small.reshape({height}, {width}, {info.channels}).transpose(2, 0, 1)[None].copy()"
            f"  # 1 C {height} {width}, uint8, the training size",
        ]
    else:
        dtype = "uint8" if info.range is None else "float32"
        gray = "photo = np.broadcast_to(photo, (*photo.shape[:2], 3))  # grey as three equal channels"
        lines = [
            f"photo = np.atleast_3d(tifffile.imread({_photo(info)})).astype(np.{dtype})  # H W C",
            *([gray] if info.channels == _RGB else ()),
            *(
                [f"photo = photo[:, :, {[*info.bands]}]  # the bands that the model takes"]
                if info.bands
                else ()
            ),
            "bands = [Image.fromarray(photo[:, :, band]) for band in range(photo.shape[2])]",
            f"small = [band.resize(({width}, {height}), Image.Resampling.BILINEAR) for band in bands]",
            f"image = np.stack(small)[None]  # 1 C {height} {width}, {dtype}, the training size",
        ]
    if metadata.input == "normalized":
        lines += _normalisation_lines(info)
    return lines


def _normalisation_lines(info: ModelInfo) -> list[str]:
    unit = "image / np.float32(255)"
    lines = [f"mean, std = {_per_channel(info.mean)}, {_per_channel(info.std)}"]
    if info.range is not None:
        low, high = zip(*info.range, strict=True)
        lines.append(f"low, high = {_per_channel(low)}, {_per_channel(high)}")
        unit = "((image - low) / (high - low)).clip(0, 1)"
    return [*lines, f"image = ({unit} - mean) / std  # float32"]


def _per_channel(numbers: Sequence[float]) -> str:
    return f"np.float32({[*numbers]}).reshape(-1, 1, 1)"


def _mask_lines(metadata: ExportMetadata) -> list[str]:
    """The mask at the photo's own size: the model's output has the training size."""
    size = "photo.size" if _is_photo(metadata.info) else "photo.shape[1::-1]"
    return [
        *(_probability_lines(metadata) if metadata.output == "logits" else ()),
        "planes = [Image.fromarray(plane) for plane in probabilities[0]]",
        f"maps = [plane.resize({size}, Image.Resampling.BILINEAR) for plane in planes]"
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


def _is_photo(info: ModelInfo) -> bool:
    """Whether Pillow reads images of this kind; others are usually TIFF files."""
    return info.range is None and info.bands is None and info.channels in _MODES


def _photo(info: ModelInfo) -> str:
    return '"photo.jpg"' if _is_photo(info) else '"image.tif"'


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a Python string in double quotes

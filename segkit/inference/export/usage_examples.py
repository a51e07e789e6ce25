"""Usage examples of a model card: command line, segkit, ONNX Runtime, torch.

The code for other programs does what `segkit predict` does.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.core.paths import quoted

if TYPE_CHECKING:
    from segkit.core.types import Task
    from segkit.inference.export_metadata import ExportMetadata
    from segkit.inference.model_info import ModelInfo
    from segkit.recipe.postprocess_settings import PostprocessSettings

_RGB = 3  # channels
_MODES = {1: "L", _RGB: "RGB", 4: "RGBA"}
_BANDS = "bands = [Image.fromarray(photo[:, :, band]) for band in range(photo.shape[2])]"
_WINDOW_WEIGHTS = """
def weights(length, side, step):  # of windows along one side, by start; where they overlap, they are blended
    overlap = side - step
    ramp = (np.arange(overlap) + 0.5) * 2 / max(overlap, 1) - 0.5
    ramp = np.sin(np.pi / 2 * ramp.clip(0, 1)) ** 2
    windows = {start: np.ones(side) for start in range(0, max(length - overlap, 1), step)}
    for start, window in windows.items():
        if start > 0:
            window[:overlap] *= ramp
        if start < max(windows):
            window[step:] *= 1 - ramp
    return windows

""".splitlines()

_FILL_HOLES = """
def fill_holes(mask, limit, fillable=True):  # holes of at most that many pixels, all of them fillable
    holes, _ = ndimage.label(~mask)
    filled = np.bincount(holes.ravel()) <= limit
    filled[[0, *holes[0], *holes[-1], *holes[:, 0], *holes[:, -1]]] = False  # open to the border
    filled[holes[~(mask | fillable)]] = False
    return mask | filled[holes]
""".splitlines()
_KEEP_OBJECTS = """
def keep_objects(mask, smallest, largest_only):
    objects, _ = ndimage.label(mask, np.ones((3, 3)))  # pixels may touch at corners
    areas = np.bincount(objects.ravel())
    areas[0] = 0
    kept = areas >= max(1, smallest)
    if largest_only:
        kept &= np.arange(len(areas)) == areas.argmax()
    return kept[objects]
""".splitlines()


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
    if metadata.info.postprocess:
        imports += "from scipy import ndimage\n"
    height, width = metadata.info.size
    call = f"{call}  # 1 K {height} {width}, float32"
    after = [*_probability_lines(metadata)] if metadata.output == "logits" else []
    lines = {"stretch": _stretched, "letterbox": _letterboxed, "crop": _in_windows}[metadata.info.fit]
    return "\n".join([imports, load, *lines(metadata, [call, *after]), *_mask_lines(metadata)])


def _stretched(metadata: ExportMetadata, call: list[str]) -> list[str]:
    info = metadata.info
    height, width = info.size
    lines = _photo_lines(info)
    if _is_photo(info):
        lines += [
            f"small = np.asarray(photo.resize(({width}, {height}), Image.Resampling.BILINEAR))",
            f"image = small.reshape({height}, {width}, {info.channels}).transpose(2, 0, 1)[None].copy()"
            f"  # 1 C {height} {width}, uint8, the training size",
        ]
    else:
        lines += [
            _BANDS,
            f"small = [band.resize(({width}, {height}), Image.Resampling.BILINEAR) for band in bands]",
            f"image = np.stack(small)[None]  # 1 C {height} {width}, {_dtype(info)}, the training size",
        ]
    return [*lines, *_normalisation_lines(metadata), *call]


def _letterboxed(metadata: ExportMetadata, call: list[str]) -> list[str]:
    info = metadata.info
    height, width = info.size
    sides = ("photo.height", "photo.width") if _is_photo(info) else ("photo.shape[0]", "photo.shape[1]")
    return [
        *_photo_lines(info),
        f"factor = min({height} / {sides[0]}, {width} / {sides[1]})  # the aspect ratio is kept",
        *_resizing_lines(info),
        f"padding = (0, {height} - height), (0, {width} - width), (0, 0)",
        'window = np.pad(small, padding, mode="symmetric")',
        *_window_lines(metadata),
        *call,
        "probabilities = probabilities[:, :, :height, :width]  # without the padding",
    ]


def _in_windows(metadata: ExportMetadata, call: list[str]) -> list[str]:
    info = metadata.info
    (height, width), (down, across) = info.size, info.geometry.step
    return [
        *_photo_lines(info),
        f"factor = {info.scale:g}  # pixels of the model per pixel of the image, along one side",
        *_resizing_lines(info),
        *_WINDOW_WEIGHTS,
        f"rows, columns = weights(height, {height}, {down}), weights(width, {width}, {across})",
        f"padding = (0, max(rows) + {height} - height), (0, max(columns) + {width} - width), (0, 0)",
        'padded = np.pad(small, padding, mode="symmetric")',
        f"total = np.zeros((1, {info.task.channels}, *padded.shape[:2]), np.float32)",
        "weight = np.zeros(padded.shape[:2], np.float32)",
        "for top, vertical in rows.items():",
        "    for left, horizontal in columns.items():",
        f"        part = slice(top, top + {height}), slice(left, left + {width})",
        "        window = padded[part]",
        *(f"        {line}" for line in [*_window_lines(metadata), *call]),
        "        total[:, :, *part] += vertical[:, None] * horizontal * probabilities",
        "        weight[part] += vertical[:, None] * horizontal",
        "probabilities = (total / weight)[:, :, :height, :width]",
    ]


def _photo_lines(info: ModelInfo) -> list[str]:
    if _is_photo(info):
        return [f"photo = Image.open({_photo(info)}).convert({_quoted(_MODES[info.channels])})"]
    gray = "photo = np.broadcast_to(photo, (*photo.shape[:2], 3))  # grey as three equal channels"
    bands = f"photo = photo[:, :, {[*(info.bands or ())]}]  # the bands that the model takes"
    return [
        f"photo = np.atleast_3d(tifffile.imread({_photo(info)})).astype(np.{_dtype(info)})  # H W C",
        *([gray] if info.channels == _RGB else ()),
        *([bands] if info.bands else ()),
    ]


def _resizing_lines(info: ModelInfo) -> list[str]:
    """`small`, H W C, resized by `factor`."""
    if _is_photo(info):
        return [
            "height, width = (max(1, round(side * factor)) for side in (photo.height, photo.width))",
            "small = photo.resize((width, height), Image.Resampling.BILINEAR)",
            f"small = np.asarray(small).reshape(height, width, {info.channels})",
        ]
    return [
        "height, width = (max(1, round(side * factor)) for side in photo.shape[:2])",
        _BANDS,
        "small = [band.resize((width, height), Image.Resampling.BILINEAR) for band in bands]",
        "small = np.stack(small, axis=-1)",
    ]


def _window_lines(metadata: ExportMetadata) -> list[str]:
    """`image`, as the model takes it, of `window`, H W C."""
    (height, width), dtype = metadata.info.size, _dtype(metadata.info)
    note = f"1 C {height} {width}, {dtype}, the training size"
    return [f"image = window.transpose(2, 0, 1)[None].copy()  # {note}", *_normalisation_lines(metadata)]


def _dtype(info: ModelInfo) -> str:
    return "uint8" if info.range is None else "float32"


def _normalisation_lines(metadata: ExportMetadata) -> list[str]:
    info = metadata.info
    if metadata.input != "normalized":
        return []
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
    info = metadata.info
    size = "photo.size" if _is_photo(info) else "photo.shape[1::-1]"
    lines = [
        "planes = [Image.fromarray(plane) for plane in probabilities[0]]",
        f"maps = [plane.resize({size}, Image.Resampling.BILINEAR) for plane in planes]"
        "  # K of the photo's size",
    ]
    if info.postprocess:
        return [*lines, *_postprocess_lines(info, info.postprocess)]
    return [*lines, _mask_line(info.task)]


def _postprocess_lines(info: ModelInfo, settings: PostprocessSettings) -> list[str]:
    """The post-processed mask, as `segkit.data.postprocess` makes it."""
    steps = settings.steps(info.task)
    seen = f"({info.size[0]} * {info.size[1]})" if info.fit == "stretch" else "(height * width)"
    area = "photo.width * photo.height" if _is_photo(info) else "photo.shape[0] * photo.shape[1]"
    holes = ["np.inf" if limit == math.inf else str(int(limit)) for limit in steps.fill_holes]
    rows = zip(info.classes, steps.threshold, holes, steps.min_size, steps.keep_largest, strict=True)
    lines = [
        *_FILL_HOLES,
        "",
        *_KEEP_OBJECTS,
        "",
        "",
        f"area = {area} / {seen}  # pixels of the photo for each that the model sees",
        "steps = [  # threshold, largest hole that is filled, smallest object, only the largest one",
        *(
            f"    ({threshold}, area * {hole}, area * {int(size)}, {largest}),  # {_quoted(name)}"
            for name, threshold, hole, size, largest in rows
        ),
        "]",
    ]
    if info.kind == "multiclass":
        return [
            *lines,
            "maps = np.stack(maps)",
            "best = maps.argmax(axis=0)",
            "np.put_along_axis(maps, best[None], -1, axis=0)",
            "second = maps.argmax(axis=0)  # removed pixels become the next probable class",
            "mask = best.copy()",
            "for index, (_, hole, _, _) in enumerate(steps):",
            "    mask[fill_holes(best == index, hole, best == 0) & (best != index)] = index",
            "removed = np.zeros(mask.shape, bool)",
            "for index, (_, _, smallest, largest_only) in enumerate(steps):",
            "    removed |= (mask == index) & ~keep_objects(mask == index, smallest, largest_only)",
            "mask[removed] = np.where(mask == best, second, best)[removed]",
            f"# mask: H W, an index into {[*info.classes]}",
        ]
    return [
        *lines,
        "masks = []  # one for each class, true where it is",
        "for plane, (threshold, hole, smallest, largest_only) in zip(maps, steps):",
        "    mask = fill_holes(np.asarray(plane) > np.float32(threshold), hole)",
        "    masks.append(keep_objects(mask, smallest, largest_only))",
        "masks = np.stack(masks)  # K H W" if info.kind == "multilabel" else "mask = masks[0]",
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

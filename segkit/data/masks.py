"""Reading of mask files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segkit.core.errors import DataError
from segkit.core.types import Pixels, Task
from segkit.data.images import MAX_LARGE, MAX_PIXELS, read_raster
from segkit.data.labels import class_of_value, has_colours
from segkit.data.large_arrays import by_strips
from segkit.data.readers.raster import Extent, Raster
from segkit.data.resize import resize_mask
from segkit.utils.listing import listed

_Values = npt.NDArray[np.number]
_Resize = Callable[[_Values], _Values]
_PART = 1 << 17  # pixels that fit the processor's cache


def read_mask(path: Path, task: Task) -> Pixels:
    """Read a mask as the task's integers, (H, W) uint8.

    With `task.labels`, a mask holds these numbers or colours. Without them, a binary mask holds black, the
    background, and one other value (255, 1, or any colour), in any encoding; a JPEG, which is lossy, must be
    black and white. A multiclass mask holds class indices in a grey or palette image.

    Args:
        path: mask file.
        task: task, which determines the valid values.

    Raises:
        DataError: if the file is missing or damaged, or holds other values.
    """
    return _read_mask(path, task, lambda values: values)[0]


def read_mask_at(path: Path, task: Task, size: Extent) -> tuple[Pixels, Extent]:
    """Read a mask at a size (height, width), nearest neighbour; returns it and its size in the file.

    All pixels are checked before resizing.

    Raises:
        DataError: as `read_mask`.
    """
    return _read_mask(path, task, lambda values: resize_mask(values, size), MAX_PIXELS)


def read_values(path: Path) -> _Values | None:
    """Numbers of a grey or palette image, (H, W); None for a colour image.

    Raises:
        DataError: if the file is missing or damaged.
    """
    return _numbers(_opaque(read_raster(path), path))


def read_colors(path: Path) -> dict[str, int]:
    """Pixels of each colour "#rrggbb" of an image of 8 bits, the most frequent first.

    Raises:
        DataError: if the file is missing, damaged or of other numbers.
    """
    codes, counts = np.unique(_codes(_rgb(_opaque(read_raster(path), path), path)), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return dict(zip(_hex(codes[order].tolist()), counts[order].tolist(), strict=True))


def read_objects(path: Path, task: Task) -> Pixels:
    """Read a mask of one object, or of a number for each: 1 where there is any, (H, W) uint8.

    Raises:
        DataError: if the file is missing, damaged or in colour.
    """
    raster = read_raster(path)
    if raster.lossy:
        return read_mask(path, task)
    numbers = _numbers(_opaque(raster, path))
    if numbers is None:
        hint = "save a grey number for each object, or leave out data.source.instances"
        raise DataError("the mask is in colour", where=str(path), hint=hint, kind="labels")
    objects: Pixels = (numbers != 0).astype(np.uint8)
    if task.ignore_index is not None:
        objects[numbers == task.ignore_index] = task.ignore_index
    return objects


def palette_colors(path: Path, task: Task) -> dict[str, str]:
    """Colours "#rrggbb" of the classes in the palette of a multiclass mask; {} if it does not have them.

    Raises:
        DataError: if the file is missing or damaged.
    """
    palette = read_raster(path).palette
    if palette is None or task.kind != "multiclass" or _is_grey(palette):
        return {}
    codes = _hex(_codes(palette[None, :, :3])[0].tolist())
    first = {
        index: code
        for value, index in reversed([*class_of_value(task).items()])
        if isinstance(value, int) and 0 <= value < len(codes)
        for code in [codes[value]]
    }
    colors = {name: first[index] for index, name in enumerate(task.classes) if index in first}
    return colors if len({*colors.values()}) == len(task.classes) else {}


def _read_mask(path: Path, task: Task, resize: _Resize, max_pixels: int = MAX_LARGE) -> tuple[Pixels, Extent]:
    raster = read_raster(path, max_pixels)
    height, width = raster.pixels.shape[:2]
    read = _binary if task.kind == "binary" and task.labels is None else _labelled
    return read(raster, path, task, resize), (height, width)


def _binary(raster: Raster, path: Path, task: Task, resize: _Resize) -> Pixels:
    raster = _opaque(raster, path)
    if raster.lossy:
        return resize(_black_and_white(raster, path, task)).astype(np.uint8)
    grey = _grey(raster)
    if grey is None:
        return resize(_two_colours(raster, path)).astype(np.uint8)
    values = [value for value in _distinct(grey) if value != task.ignore_index]
    others = [value for value in values if value]
    # A single value must be a usual one; together with 0 any is valid.
    is_odd = bool(others) and len(values) == 1 and others[0] not in (1, 255, 65535)
    if len(others) > 1 or is_odd or np.isnan(others).any():
        raise DataError(
            f"a binary mask must hold 0 and one other value; this one holds {_listed(values)}",
            where=str(path),
            hint="0 is background, 255 or 1 foreground; data.labels names other values, and those to ignore",
            kind="labels",
        )
    return by_strips(lambda part: _foreground(part, task), resize(grey))


def _foreground(grey: _Values, task: Task) -> Pixels:
    mask: Pixels = (grey != 0).astype(np.uint8)
    if task.ignore_index is not None:
        mask[grey == task.ignore_index] = task.ignore_index
    return mask


def _black_and_white(raster: Raster, path: Path, task: Task) -> Pixels:
    rgb = _rgb(raster, path)
    darkest, brightest = rgb.min(axis=-1), rgb.max(axis=-1)
    # JPEG changes values: only clearly black and clearly white pixels are valid.
    between = (brightest > 63) & (darkest < 192)
    coloured = brightest - darkest > 63
    dim = brightest.any() and not (darkest > 191).any()
    if task.ignore_index is not None or coloured.any() or dim or between.mean() > 0.1:
        raise DataError(
            "the mask is a JPEG, which keeps no exact values, and holds more than black and white",
            where=str(path),
            hint="save masks as PNG",
            kind="labels",
        )
    mask: Pixels = (darkest > 127).astype(np.uint8)
    return mask


def _two_colours(raster: Raster, path: Path) -> Pixels:
    codes = _codes(_rgb(raster, path))
    colours = np.unique(codes).tolist()
    if len(colours) != 2 or colours[0] != 0:
        raise DataError(
            f"a binary mask must hold black and one other colour; this one holds {listed(_hex(colours))}",
            where=str(path),
            hint="name them in data.labels",
            kind="labels",
        )
    mask: Pixels = (codes != 0).astype(np.uint8)
    return mask


def _labelled(raster: Raster, path: Path, task: Task, resize: _Resize) -> Pixels:
    if raster.lossy:
        problem = "the mask is a JPEG, which keeps no exact values"
        raise DataError(problem, where=str(path), hint="save masks as PNG", kind="labels")
    if raster.palette is None or has_colours(task):
        raster = _opaque(raster, path)
    values = _grey(raster) if has_colours(task) else _numbers(raster)
    if values is not None:
        return _classes_of(
            values, class_of_value(task), resize, lambda unknown: _unknown(unknown, path, task)
        )
    codes = _codes(_rgb(raster, path))
    if not has_colours(task):
        raise DataError(
            "the mask is a colour image, not an image of class numbers",
            where=str(path),
            hint="name the colour of each class in data.labels, such as {lesion: '#ff0000'}",
            kind="labels",
        )
    classes = {_code(value): index for value, index in class_of_value(task).items()}
    return _classes_of(codes, classes, resize, lambda unknown: _unknown(_hex(unknown), path, task))


def _unknown(values: Sequence[object], path: Path, task: Task) -> DataError:
    hint = "add it to a class in data.labels, or to 'ignore'"
    if task.labels is None and task.kind == "multiclass":
        hint = (
            f"classes are 0 to {len(task.classes) - 1}; data.labels names other values, and those to ignore"
        )
    elif has_colours(task):
        hint += "; save masks as PNG, not as JPEG"
    return DataError(
        f"the mask holds {_listed(values)}, which is not a class", where=str(path), hint=hint, kind="labels"
    )


def _listed(values: Sequence[object]) -> str:  # 0.98 in float32 is 0.9800000190734863
    return listed([f"{value:.6g}" if isinstance(value, float) else value for value in values])


def _classes_of(
    values: _Values,
    classes: Mapping[Any, int],
    resize: _Resize,
    unknown: Callable[[list[Any]], DataError],
) -> Pixels:
    """Look up the class of every value, (H, W) uint8; raises `unknown` for values without one."""
    if values.dtype == np.uint8:
        if others := [value for value in _distinct(values) if value not in classes]:
            raise unknown(others)
        table = np.array([classes.get(value, 0) for value in range(256)], np.uint8)
        return _take(table, resize(values))
    # NaN, if all values are colours that are not grey, is equal to nothing.
    keys = np.array(sorted(value for value in classes if not isinstance(value, str)) or [np.nan])
    places = np.searchsorted(keys[1:], values, side="right")
    if (is_unknown := keys[places] != values).any():
        raise unknown(np.unique(values[is_unknown]).tolist())
    return _take(np.array([classes[key] for key in keys.tolist()], np.uint8), resize(places))


def _take(table: Pixels, indices: _Values) -> Pixels:
    return by_strips(lambda part: table[part], indices)


def _opaque(raster: Raster, path: Path) -> Raster:
    if raster.palette is not None and raster.palette.shape[-1] == 4:
        opacity: _Values = _looked_up(raster)[..., 3]
    elif raster.opacity:
        opacity = raster.pixels[..., -1]
    else:
        return raster
    full: Any = np.iinfo(opacity.dtype.name).max if opacity.dtype.kind in "iu" else 1
    if np.any(opacity != full):
        raise DataError(
            "the mask is partly transparent",
            where=str(path),
            hint="save it without transparency",
            kind="labels",
        )
    return replace(raster, pixels=raster.pixels[..., :-1], opacity=False) if raster.opacity else raster


def _numbers(raster: Raster) -> _Values | None:  # None for a colour image
    palette = raster.palette
    if palette is None:
        return _grey(raster)
    return _looked_up(raster)[..., 0] if _is_grey(palette) else raster.pixels[..., 0]


def _is_grey(palette: Pixels) -> bool:
    return bool((palette[:, :3] == palette[:, :1]).all() and (palette[:, 0] != palette[0, 0]).any())


def _grey(raster: Raster) -> _Values | None:  # None for a colour image
    pixels = raster.pixels if raster.palette is None else _looked_up(raster)[..., :3]
    # Most colour images show it in a few of their pixels.
    parts = (pixels[::16, ::16], pixels) if pixels.shape[-1] > 1 else ()
    if any((part != part[..., :1]).any() for part in parts):
        return None
    grey: _Values = pixels[..., 0]
    return grey.astype(np.uint8) if grey.dtype == np.bool_ else grey


def _rgb(raster: Raster, path: Path) -> Pixels:
    pixels = raster.pixels if raster.palette is None else _looked_up(raster)[..., :3]
    if pixels.dtype == np.uint8 and pixels.shape[-1] in (1, 3):
        return np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    problem = f"the mask has {pixels.shape[-1]} channels of {pixels.dtype}"
    raise DataError(
        problem, where=str(path), hint="save it with one channel, or RGB of 8 bits", kind="labels"
    )


def _looked_up(raster: Raster) -> Pixels:
    """Colours of a palette image, (H, W, 3) or (H, W, 4)."""
    assert raster.palette is not None
    indices = raster.pixels[..., 0]
    rows = max(256, int(indices.max()) + 1)  # an index may lie outside of a palette
    colours: Pixels = np.pad(raster.palette, ((0, rows - len(raster.palette)), (0, 0)))[indices]
    return colours


def _distinct(values: _Values) -> list[int]:  # np.unique sorts, which is slow for millions of pixels
    if values.dtype != np.uint8:
        return list(np.unique(values).tolist())
    flat = values.ravel()
    ends = sorted({int(flat.min()), int(flat.max())})
    parts = [flat[start : start + _PART] for start in range(0, flat.size, _PART)]
    if sum(np.count_nonzero(part == end) for part in parts for end in ends) == flat.size:
        return ends  # the usual case of binary masks
    counts = sum(np.bincount(part, minlength=256) for part in parts)
    return list(np.flatnonzero(counts).tolist())


def _codes(rgb: Pixels) -> npt.NDArray[np.int64]:  # 0xRRGGBB
    # float32 holds 24 bits exactly, and is eight times as fast as integers.
    codes = rgb.astype(np.float32) @ np.array([1 << 16, 1 << 8, 1], np.float32)
    return codes.astype(np.int64)


def _code(value: int | str) -> int:  # a number is a grey
    return int(value[1:], 16) if isinstance(value, str) else value * 0x010101


def _hex(codes: Sequence[int]) -> list[str]:
    return [f"#{code:06x}" for code in codes]

"""Reading of mask files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from segkit.core.errors import DataError
from segkit.core.types import Pixels, Task
from segkit.data.images import LOSSY, Extent, opened, upright
from segkit.data.resize import resize_mask
from segkit.utils.listing import listed

Colours = Mapping[tuple[int, int, int], int]
_Values = npt.NDArray[np.number]
_Resize = Callable[[_Values], _Values]
_PART = 1 << 17  # pixels that fit the processor's cache


def read_mask(path: Path, task: Task, colours: Colours | None = None) -> Pixels:
    """Read a mask as the task's integers, (H, W) uint8.

    A binary mask holds black, the background, and one other value (255, 1, or any colour), in any encoding; a
    JPEG, which is lossy, must be black and white. A multiclass mask holds class indices in a grey or palette
    image. With `colours`, a mask holds these colours.

    Args:
        path: mask file.
        task: task, which determines the valid values.
        colours: class index by RGB colour.

    Raises:
        DataError: if the file is missing or damaged, or holds other values.
    """
    return _read_mask(path, task, colours, lambda values: values)[0]


def read_mask_at(
    path: Path, task: Task, size: Extent, colours: Colours | None = None
) -> tuple[Pixels, Extent]:
    """Read a mask at a size (height, width), nearest neighbour; returns it and its size in the file.

    All pixels are checked before resizing.

    Raises:
        DataError: as `read_mask`.
    """
    return _read_mask(path, task, colours, lambda values: resize_mask(values, size))


def read_values(path: Path) -> _Values | None:
    """Raw values of a grey or palette image, (H, W); None for a colour image.

    Raises:
        DataError: if the file is missing or damaged.
    """
    with opened(path) as image:
        image = upright(image)
        return np.asarray(image) if image.mode == "P" else _grey(image)


def _read_mask(path: Path, task: Task, colours: Colours | None, resize: _Resize) -> tuple[Pixels, Extent]:
    with opened(path) as image:
        image = upright(image)
        extent = image.height, image.width
        if colours is not None:
            return _by_colour(image, path, colours, resize), extent
        read = _binary if task.kind == "binary" else _indices
        return read(image, path, task, resize), extent


def _binary(image: Image.Image, path: Path, task: Task, resize: _Resize) -> Pixels:
    if image.format in LOSSY:
        return resize(_black_and_white(image, path, task)).astype(np.uint8)
    image = _opaque(image, path)
    grey = _grey(image)
    if grey is None:
        return resize(_two_colours(image, path)).astype(np.uint8)
    values = [value for value in _distinct(grey) if value != task.ignore_index]
    others = [value for value in values if value]
    # A single value must be a usual one; together with 0 any is valid.
    is_odd = bool(others) and len(values) == 1 and others[0] not in (1, 255, 65535)
    if len(others) > 1 or is_odd or np.isnan(others).any():
        raise DataError(
            f"a binary mask must hold 0 and one other value; this one holds {listed(values)}",
            where=str(path),
            hint="0 is background, 255 or 1 foreground; set data.ignore_index to a value to leave out",
            kind="labels",
        )
    grey = resize(grey)
    mask: Pixels = (grey != 0).astype(np.uint8)
    if task.ignore_index is not None:
        mask[grey == task.ignore_index] = task.ignore_index
    return mask


def _black_and_white(image: Image.Image, path: Path, task: Task) -> Pixels:
    rgb = np.asarray(image.convert("RGB"))
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


def _two_colours(image: Image.Image, path: Path) -> Pixels:
    codes = _codes(image)
    colours = np.unique(codes).tolist()
    if len(colours) != 2 or colours[0] != 0:
        raise DataError(
            f"a binary mask must hold black and one other colour; this one holds {listed(_hex(colours))}",
            where=str(path),
            hint="set data.source.colours, if the source has it",
            kind="labels",
        )
    mask: Pixels = (codes != 0).astype(np.uint8)
    return mask


def _indices(image: Image.Image, path: Path, task: Task, resize: _Resize) -> Pixels:
    if image.format in LOSSY:
        problem = "the mask is a JPEG, which keeps no exact values"
        raise DataError(problem, where=str(path), hint="save masks as PNG", kind="labels")
    values = np.asarray(image) if image.mode == "P" else _grey(_opaque(image, path))
    if values is None:
        raise DataError(
            "the mask is a colour image, not an image of class indices",
            where=str(path),
            hint="set the RGB colour of each class in data.source.colours, if the source has it",
            kind="labels",
        )
    valid = {*range(len(task.classes)), task.ignore_index}
    if invalid := [value for value in _distinct(values) if value not in valid]:
        raise DataError(
            f"the mask holds {listed(invalid)}, which is not a class",
            where=str(path),
            hint=f"classes are 0 to {len(task.classes) - 1}; set data.ignore_index to a value to leave out",
            kind="labels",
        )
    return resize(values).astype(np.uint8)


def _by_colour(image: Image.Image, path: Path, colours: Colours, resize: _Resize) -> Pixels:
    codes = _codes(_opaque(image, path))
    mask = np.zeros(codes.shape, np.uint8)
    unknown = np.ones(codes.shape, bool)
    for (red, green, blue), index in colours.items():
        matches = codes == (red << 16 | green << 8 | blue)
        mask[matches] = index
        unknown &= ~matches
    if unknown.any():
        colour = listed(_hex(np.unique(codes[unknown]).tolist()))
        raise DataError(
            f"the mask holds {colour}, which is not the colour of any class",
            where=str(path),
            hint="name it in data.source.colours; save masks as PNG, not as JPEG",
            kind="labels",
        )
    return resize(mask).astype(np.uint8)


def _opaque(image: Image.Image, path: Path) -> Image.Image:
    if not image.has_transparency_data:
        return image
    with_alpha = image.convert("RGBA")
    if with_alpha.getchannel("A").getextrema() != (255, 255):
        raise DataError(
            "the mask is partly transparent",
            where=str(path),
            hint="save it without transparency",
            kind="labels",
        )
    return with_alpha.convert("RGB")


def _grey(image: Image.Image) -> _Values | None:  # None for a colour image
    if image.mode in ("L", "I", "F") or image.mode.startswith("I;16"):
        return np.asarray(image)
    if image.mode == "1":
        return np.asarray(image).astype(np.uint8)
    rgb = np.asarray(image.convert("RGB"))
    return rgb[..., 0] if (rgb == rgb[..., :1]).all() else None


def _distinct(values: _Values) -> list[int]:  # np.unique sorts, which is slow for millions of pixels
    if values.dtype != np.uint8:
        return list(np.unique(values).tolist())
    flat = values.ravel()
    ends = sorted({int(flat.min()), int(flat.max())})
    parts = [flat[start : start + _PART] for start in range(0, flat.size, _PART)]
    if sum(np.count_nonzero(part == end) for part in parts for end in ends) == flat.size:
        return ends  # the usual case of binary masks
    return list(np.flatnonzero(np.bincount(flat, minlength=256)).tolist())


def _codes(image: Image.Image) -> npt.NDArray[np.int_]:  # 0xRRGGBB
    codes: npt.NDArray[np.int_] = np.asarray(image.convert("RGB")) @ np.array([1 << 16, 1 << 8, 1])
    return codes


def _hex(codes: Sequence[int]) -> list[str]:
    return [f"#{code:06x}" for code in codes]

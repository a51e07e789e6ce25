"""Reading image and mask files, whatever they are encoded as, with errors that name the file."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from segkit.contracts import Pixels, Task
from segkit.errors import DataError

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp")
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
Colours = Mapping[tuple[int, int, int], int]


def read_image(path: Path, channels: int) -> Pixels:
    """An image as (H, W, channels) uint8, turned upright as its EXIF orientation says.

    16-bit images are brought to 8 bits by their type's range, not by their content.

    Raises:
        DataError: if the file is missing or damaged.
    """
    image = _open(path)
    if image.mode.startswith("I;16") or image.mode == "I":
        image = Image.fromarray((np.asarray(image).clip(0, 65535) // 257).astype(np.uint8))
    pixels = np.asarray(image.convert(MODES[channels]))
    return pixels if pixels.ndim == 3 else pixels[..., None]


def read_mask(path: Path, task: Task, colours: Colours | None = None) -> Pixels:
    """A mask as the task's integers, (H, W) uint8.

    The values count, not the encoding. A binary mask holds two values, of which the darker is background
    (0 and 255, 0 and 1, or any two colours with black among them), whatever the file's palette says; in a
    JPEG, which keeps no exact values, the brighter half is foreground. A multiclass mask holds class indices, in a grey or palette image, or colours that `colours` names.

    Args:
        path: the file.
        task: decides what values may occur.
        colours: class index by RGB colour.

    Raises:
        DataError: if the file is missing or damaged, or holds values that mean nothing.
    """
    image = _open(path)
    if colours is not None:
        return _by_colour(image, path, task, colours)
    return _binary(image, path, task) if task.kind == "binary" else _indices(image, path, task)


def _open(path: Path) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(path)
            image.load()
    except FileNotFoundError:
        raise DataError("there is no such file", where=str(path)) from None
    except UnidentifiedImageError:
        raise DataError(
            "this is no image that can be read", where=str(path), hint="open it, or copy it again"
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(
            "the image is too large to be read safely", where=str(path), hint="make it smaller"
        ) from None
    except (OSError, SyntaxError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"the image is damaged: {reason}", where=str(path), hint="copy or download it again"
        ) from None
    upright = ImageOps.exif_transpose(image)
    upright.format = image.format  # Pillow forgets it when it turns an image
    return upright


def _binary(image: Image.Image, path: Path, task: Task) -> Pixels:
    grey = np.asarray(image.convert("L") if image.mode not in ("L", "1") else image).astype(np.uint8)
    if image.format == "JPEG":
        return (grey > 127).astype(np.uint8)
    ignored = grey == task.ignore_index if task.ignore_index is not None else np.zeros(grey.shape, dtype=bool)
    values = np.unique(grey[~ignored])
    allowed = (0, 1) if values.size and values.max() <= 1 else (0, 255)
    if foreign := [int(value) for value in values if value not in allowed]:
        # Two values with black among them can only mean one thing; JPEG and soft masks have many more.
        if len(values) == 2 and values[0] == 0:
            return _ignoring((grey == values[1]).astype(np.uint8), ignored, task)
        raise DataError(
            f"the mask holds the values {_listed(foreign)}, which mean nothing in a binary mask",
            where=str(path),
            hint="0 is background and 255 (or 1) foreground; save masks as PNG, not as JPEG",
        )
    return _ignoring((grey > 0).astype(np.uint8), ignored, task)


def _ignoring(mask: Pixels, ignored: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], task: Task) -> Pixels:
    if task.ignore_index is not None:
        mask[ignored] = task.ignore_index
    return mask


def _indices(image: Image.Image, path: Path, task: Task) -> Pixels:
    if image.mode not in ("L", "P", "1", "I;16", "I"):
        raise DataError(
            f"the mask is a colour image ({image.mode})",
            where=str(path),
            hint="give data.source.colours: the RGB colour of each class, or save class indices",
        )
    values = np.asarray(image)
    known = [*range(len(task.classes)), *([] if task.ignore_index is None else [task.ignore_index])]
    if foreign := sorted({*np.unique(values).tolist()} - {*known}):
        last = len(task.classes) - 1
        raise DataError(
            f"the mask holds the values {_listed([int(value) for value in foreign])}, which are no class",
            where=str(path),
            hint=f"classes are 0 to {last}; data.ignore_index names a value to leave out",
        )
    return values.astype(np.uint8)


def _by_colour(image: Image.Image, path: Path, task: Task, colours: Colours) -> Pixels:
    rgb = np.asarray(image.convert("RGB")).astype(np.uint32)
    codes = (rgb[..., 0] << 16) | (rgb[..., 1] << 8) | rgb[..., 2]
    mask = np.zeros(codes.shape, dtype=np.uint8)
    unknown = np.ones(codes.shape, dtype=bool)
    for (red, green, blue), index in colours.items():
        here = codes == (red << 16 | green << 8 | blue)
        mask[here] = index
        unknown &= ~here
    if unknown.any():
        found = [f"#{code:06x}" for code in np.unique(codes[unknown]).tolist()]
        raise DataError(
            f"the mask holds the colours {_listed(found)}, which are no class",
            where=str(path),
            hint="name them in data.source.colours; save masks as PNG, not as JPEG",
        )
    return mask


def _listed(values: list[int] | list[str]) -> str:
    return ", ".join(map(str, values[:5])) + (f" and {len(values) - 5} more" if len(values) > 5 else "")

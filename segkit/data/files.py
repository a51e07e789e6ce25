"""Reading image and mask files, whatever they are encoded as, with errors that name the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from segkit.contracts import Pixels, Task
from segkit.data.resize import resize, resize_mask
from segkit.errors import DataError

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp")
# What is looked for in a file, whatever its name: Pillow knows formats that call other programs (EPS).
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP", "PPM", "JPEG2000")
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
LOSSY = ("JPEG", "MPO")
MOST_PIXELS = 2**27  # 134 million: a larger file is a mistake, or made to fill the memory
MARGIN = 1  # a JPEG is decoded at least so much larger than wanted; measured in docs/benchmarks/margins.py
Colours = Mapping[tuple[int, int, int], int]
Extent = tuple[int, int]  # (height, width)
_Values = npt.NDArray[np.integer]
_Thin = Callable[[_Values], _Values]
_PART = 1 << 17  # pixels that a processor's cache holds while they are compared
_ORIENTATION = 0x0112  # of EXIF: from 5 on, the sides change places


def read_image(path: Path, channels: int) -> Pixels:
    """An image as (H, W, channels) uint8, turned upright as its EXIF orientation says.

    16-bit images are brought to 8 bits by their type's range, not by their content.

    Raises:
        DataError: if the file is missing, damaged, or of numbers without a known range.
    """
    with _opened(path) as image:
        return _pixels(_converted(_upright(image), path, channels))


def read_image_at(path: Path, channels: int, size: Extent) -> tuple[Pixels, Extent]:
    """An image as `read_image` gives it, brought to a size, and the extent that it has in its file.

    A JPEG is decoded at a half, a quarter or an eighth of its size, which its format makes cheap, where that
    is still `MARGIN` times the size wanted.

    Raises:
        DataError: as `read_image` does.
    """
    with _opened(path) as image:
        if image.format in LOSSY:
            return _decoded_small(image, path, channels, size)
        upright = _converted(_upright(image), path, channels)
        return _pixels(resize(upright, size)), (upright.height, upright.width)


def read_mask(path: Path, task: Task, colours: Colours | None = None) -> Pixels:
    """A mask as the task's integers, (H, W) uint8.

    The values count, not the encoding. A binary mask holds black, which is background, and one other value
    (255, 1, or any colour), whatever the file's palette says; in a JPEG, which keeps no exact values, it is
    black and white. A multiclass mask holds class indices, in a grey or palette image. With `colours`, a mask
    holds the colours that it names.

    Args:
        path: the file.
        task: decides what values may occur.
        colours: class index by RGB colour.

    Raises:
        DataError: if the file is missing or damaged, or holds values that mean nothing.
    """
    return _read_mask(path, task, colours, lambda values: values)[0]


def read_mask_at(
    path: Path, task: Task, size: Extent, colours: Colours | None = None
) -> tuple[Pixels, Extent]:
    """A mask as `read_mask` gives it, brought to a size, and the extent that it has in its file.

    All of its pixels are checked, also those that are left out.

    Raises:
        DataError: as `read_mask` does.
    """
    return _read_mask(path, task, colours, lambda values: resize_mask(values, size))


def _read_mask(path: Path, task: Task, colours: Colours | None, thin: _Thin) -> tuple[Pixels, Extent]:
    """With what thins its pixels out once they are checked."""
    with _opened(path) as image:
        image = _upright(image)
        extent = image.height, image.width
        if colours is not None:
            return _by_colour(image, path, colours, thin), extent
        of_task = _binary if task.kind == "binary" else _indices
        return of_task(image, path, task, thin), extent


def _decoded_small(image: Image.Image, path: Path, channels: int, size: Extent) -> tuple[Pixels, Extent]:
    """`read_image_at` of a JPEG, which is turned upright last, when it is small."""
    turned = image.getexif().get(_ORIENTATION, 1) > 4
    height, width = size[::-1] if turned else size
    extent = (image.width, image.height) if turned else (image.height, image.width)
    # The box says how much of the last row and column is image: sides need not be multiples of eight.
    _, box = image.draft(None, (MARGIN * width, MARGIN * height)) or (None, None)
    small = resize(_converted(image, path, channels), (height, width), box)
    return _pixels(_upright(small)), extent


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    ImageOps.exif_transpose(image, in_place=True)  # a copy would take as long as a quarter of the decoding
    return image


def _converted(image: Image.Image, path: Path, channels: int) -> Image.Image:
    """In the mode of so many channels of 8 bits."""
    image.load()
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise DataError(
            "the image holds 32-bit numbers, of which nothing says what is black and what is white",
            where=str(path),
            hint="save it with 8 or 16 bits",
        )
    elif image.mode == "P" and image.has_transparency_data:
        image = image.convert("RGBA")
    return image if image.mode == MODES[channels] else image.convert(MODES[channels])


def _pixels(image: Image.Image) -> Pixels:
    """(H, W, C), of Pillow's L, RGB or RGBA."""
    pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[..., None]


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The image of a file, not decoded yet; whatever its decoder raises inside becomes a `DataError`."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            _check_extent(image, path)
            yield image
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError("there is no such file", where=str(path)) from None
    except UnidentifiedImageError:
        problem = "this is no image that can be read" if path.stat().st_size else "the file is empty"
        raise DataError(problem, where=str(path), hint="copy or download it again") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(path) from None
    except Exception as error:  # decoders meet damage in many ways: struct.error, zlib.error, IndexError, ...
        if isinstance(error, OSError) and error.strerror:
            raise DataError(f"the file cannot be read: {error.strerror}", where=str(path)) from None
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        problem = f"the image is damaged: {reason}"
        raise DataError(problem, where=str(path), hint="copy or download it again") from None


def _check_extent(image: Image.Image, path: Path) -> None:
    if image.width * image.height > MOST_PIXELS:
        raise _too_large(path)
    pages = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
    if pages > 1:
        raise DataError(
            f"the file holds {pages} images", where=str(path), hint="save each of them as a file of its own"
        )


def _too_large(path: Path) -> DataError:
    return DataError(
        f"the image has more than {MOST_PIXELS // 10**6} million pixels",
        where=str(path),
        hint="make it smaller, or cut it into tiles",
    )


def _binary(image: Image.Image, path: Path, task: Task, thin: _Thin) -> Pixels:
    if image.format in LOSSY:
        return thin(_black_and_white(image, path, task)).astype(np.uint8)
    image = _opaque(image, path)
    grey = _grey(image)
    if grey is None:
        return thin(_two_colours(image, path)).astype(np.uint8)
    values = [value for value in _distinct(grey) if value != task.ignore_index]
    others = [value for value in values if value]
    # One value alone has to be one of the usual ones; beside black any will do.
    if len(others) > 1 or (others and len(values) == 1 and others[0] not in (1, 255, 65535)):
        raise DataError(
            f"a binary mask holds 0 and one other value, and this one {_listed(values)}",
            where=str(path),
            hint="0 is background, 255 or 1 foreground; data.ignore_index names a value to leave out",
        )
    grey = thin(grey)
    mask: Pixels = (grey != 0).astype(np.uint8)
    if task.ignore_index is not None:
        mask[grey == task.ignore_index] = task.ignore_index
    return mask


def _black_and_white(image: Image.Image, path: Path, task: Task) -> Pixels:
    """From a JPEG, whose values are near those that were saved: only far apart ones can be told apart."""
    rgb = np.asarray(image.convert("RGB"))
    darkest, brightest = rgb.min(axis=-1), rgb.max(axis=-1)
    between = (brightest > 63) & (darkest < 192)
    coloured = brightest - darkest > 63
    dim = brightest.any() and not (darkest > 191).any()
    if task.ignore_index is not None or coloured.any() or dim or between.mean() > 0.1:
        raise DataError(
            "the mask is a JPEG, which keeps no exact values, and holds more than black and white",
            where=str(path),
            hint="save masks as PNG",
        )
    mask: Pixels = (darkest > 127).astype(np.uint8)
    return mask


def _two_colours(image: Image.Image, path: Path) -> Pixels:
    codes = _codes(image)
    found = np.unique(codes).tolist()
    if len(found) != 2 or found[0] != 0:
        raise DataError(
            f"a binary mask holds black and one other colour, and this one {_listed(_hex(found))}",
            where=str(path),
            hint="data.source.colours says which colour is what, where the source has it",
        )
    mask: Pixels = (codes != 0).astype(np.uint8)
    return mask


def _indices(image: Image.Image, path: Path, task: Task, thin: _Thin) -> Pixels:
    if image.format in LOSSY:
        problem = "the mask is a JPEG, which keeps no exact values"
        raise DataError(problem, where=str(path), hint="save masks as PNG")
    values = np.asarray(image) if image.mode == "P" else _grey(_opaque(image, path))
    if values is None:
        raise DataError(
            "the mask is a colour image, where class indices are wanted",
            where=str(path),
            hint="data.source.colours gives the RGB colour of each class, where the source has it",
        )
    known = {*range(len(task.classes)), task.ignore_index}
    if foreign := [value for value in _distinct(values) if value not in known]:
        raise DataError(
            f"the mask holds {_listed(foreign)}, which is no class",
            where=str(path),
            hint=f"classes are 0 to {len(task.classes) - 1}; data.ignore_index names a value to leave out",
        )
    return thin(values).astype(np.uint8)


def _by_colour(image: Image.Image, path: Path, colours: Colours, thin: _Thin) -> Pixels:
    codes = _codes(_opaque(image, path))
    mask = np.zeros(codes.shape, np.uint8)
    unknown = np.ones(codes.shape, bool)
    for (red, green, blue), index in colours.items():
        here = codes == (red << 16 | green << 8 | blue)
        mask[here] = index
        unknown &= ~here
    if unknown.any():
        raise DataError(
            f"the mask holds {_listed(_hex(np.unique(codes[unknown]).tolist()))}, which is no class's colour",
            where=str(path),
            hint="name it in data.source.colours; save masks as PNG, not as JPEG",
        )
    return thin(mask).astype(np.uint8)


def _opaque(image: Image.Image, path: Path) -> Image.Image:
    """Without an alpha channel, which must not say anything: is the mask in the colours, or in the alpha?"""
    if not image.has_transparency_data:
        return image
    with_alpha = image.convert("RGBA")
    if with_alpha.getchannel("A").getextrema() != (255, 255):
        raise DataError(
            "the mask is partly transparent", where=str(path), hint="save it without transparency"
        )
    return with_alpha.convert("RGB")


def _grey(image: Image.Image) -> npt.NDArray[np.integer] | None:
    """The values of a grey image, however it is encoded; None if there is a colour in it."""
    if image.mode in ("L", "I") or image.mode.startswith("I;16"):
        return np.asarray(image)
    if image.mode == "1":
        return np.asarray(image).astype(np.uint8)
    rgb = np.asarray(image.convert("RGB"))
    return rgb[..., 0] if (rgb == rgb[..., :1]).all() else None


def _distinct(values: _Values) -> list[int]:
    """The values that occur, ascending; numpy's own way sorts millions of pixels, which is slow."""
    if values.dtype != np.uint8:
        return list(np.unique(values).tolist())
    flat = values.ravel()
    ends = sorted({int(flat.min()), int(flat.max())})
    parts = [flat[start : start + _PART] for start in range(0, flat.size, _PART)]
    if sum(np.count_nonzero(part == end) for part in parts for end in ends) == flat.size:
        return ends  # of nearly every binary mask
    return list(np.flatnonzero(np.bincount(flat, minlength=256)).tolist())


def _codes(image: Image.Image) -> npt.NDArray[np.int_]:
    """0xRRGGBB of every pixel."""
    codes: npt.NDArray[np.int_] = np.asarray(image.convert("RGB")) @ np.array([1 << 16, 1 << 8, 1])
    return codes


def _hex(codes: Sequence[int]) -> list[str]:
    return [f"#{code:06x}" for code in codes]


def _listed(values: Sequence[object]) -> str:
    return ", ".join(map(str, values[:5])) + (f" and {len(values) - 5} more" if len(values) > 5 else "")

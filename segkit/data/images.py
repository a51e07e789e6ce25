"""Reading of image files."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import SAMPLESPERPIXEL

from segkit.core.errors import DataError, first_line
from segkit.core.types import Pixels
from segkit.data.pillow_limit import without_pillow_limit
from segkit.data.resize import resize
from segkit.data.tiff import find_unsupported
from segkit.utils.os_errors import is_out_of_memory

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP")  # Pillow reads more, some with external programs
READABLE = "PNG, JPEG, BMP, TIFF, GIF and WebP are read"
ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp")
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
LOSSY = ("JPEG", "MPO")
MAX_PIXELS = 2**27  # 134 million; larger files are mistakes or decompression bombs
MAX_IN_TILES = 2**29  # 537 million, 2 GiB when decoded: limit for tiled prediction
Extent = tuple[int, int]  # (height, width)
_ORIENTATION = 0x0112  # EXIF tag
_TURNED = (5, 6, 7, 8)  # EXIF orientations that swap height and width
_USUAL_PIXELS = 2**25  # assumed of a file whose header cannot be read
_DECODER_BYTES = 8  # per pixel: a progressive JPEG needs 6, beside its pixels
# Pillow's log messages about damaged files would be printed beside segkit's errors.
logging.getLogger("PIL").addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class Header:
    """Metadata of an image file.

    Args:
        lossy: whether the format is lossy (JPEG).
        mode: Pillow mode.
        stored: (height, width) in the file.
        orientation: EXIF orientation, 1 to 8; 1 is upright.
        deep: whether a channel has 16 bits.
    """

    lossy: bool
    mode: str
    stored: Extent
    orientation: int
    deep: bool

    @property
    def extent(self) -> Extent:
        """(height, width) after applying the EXIF orientation."""
        height, width = self.stored
        return (width, height) if self.orientation in _TURNED else (height, width)


def read_image(path: Path, channels: int) -> Pixels:
    """Read an image as (H, W, channels) uint8, with its EXIF orientation applied.

    16-bit images are scaled to 8 bits by the range of their type, not of their content.

    Raises:
        DataError: if the file is missing, damaged, or holds numbers of unknown range.
    """
    with opened(path) as image:
        return _pixels(converted(upright(image), path, channels))


def read_image_at(path: Path, channels: int, size: Extent) -> tuple[Pixels, Extent]:
    """Read an image and resize it to (height, width); returns it and its upright size in the file.

    Raises:
        DataError: as `read_image`.
    """
    # JPEGs too are decoded in full: decoding at a part of the size is faster, but changes masks visibly.
    with opened(path) as image:
        whole = converted(upright(image), path, channels)
        return _pixels(resize(whole, size)), (whole.height, whole.width)


def read_header(path: Path, max_pixels: int = MAX_PIXELS) -> Header:
    """Read the metadata of an image file without decoding it.

    Raises:
        DataError: if the file is missing, not an image, or has more than `max_pixels`.
    """
    with opened(path, max_pixels) as image:
        is_deep = _is_deep(image)  # first: Pillow decodes a PNG to find its EXIF data
        orientation = image.getexif().get(_ORIENTATION, 1)
        valid = orientation if orientation in range(1, 9) else 1  # other numbers are invalid
        return Header(image.format in LOSSY, image.mode, (image.height, image.width), valid, is_deep)


def channels_to_read(path: Path) -> int:
    """Channels as which `data.channels: auto` reads a file: 3 for grey and colours, else as many as it has.

    Raises:
        DataError: if the file is missing, or not an image.
    """
    with opened(path) as image:
        return 4 if _has_unmarked_channel(image) else 3


@contextmanager
def opened(path: Path, max_pixels: int = MAX_PIXELS) -> Iterator[Image.Image]:
    """Open an image file without decoding it; every error inside becomes a `DataError`.

    Raises:
        MemoryError: if there is too little memory, with the path.
    """
    pixels = _USUAL_PIXELS
    try:
        if not (path.is_dir() or path.is_file()) and path.exists():  # a pipe could be waited for without end
            raise DataError("this is not a file", where=str(path))
        with without_pillow_limit(), Image.open(path, formats=FORMATS) as image:
            pixels = image.width * image.height
            _check_header(image, path, max_pixels)
            yield image
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError("there is no such file", where=str(path)) from None
    except Exception as error:  # decoders raise many types: struct.error, zlib.error, IndexError, ...
        if is_out_of_memory(error) or _is_memory_short(pixels):
            raise MemoryError(f"while reading {path}") from error
        raise _cause(error, path) from None


def upright(image: Image.Image) -> Image.Image:
    """Decode an image and apply its EXIF orientation in place."""
    image.load()
    try:
        ImageOps.exif_transpose(image, in_place=True)  # a copy costs a quarter of the decoding time
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise ValueError(f"its EXIF orientation cannot be read ({error})") from error
    return image


def converted(image: Image.Image, path: Path | None, channels: int) -> Image.Image:
    """Decode an image and convert it to 1, 3 or 4 channels of 8 bits.

    Args:
        image: image as opened by Pillow.
        path: file, for messages; None without a file.
        channels: number of channels.

    Raises:
        DataError: if its mode cannot be converted.
    """
    image.load()
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    elif image.mode in ("I", "F"):
        numbers = "floating-point numbers" if image.mode == "F" else "32-bit integers"
        raise _unsupported((path and find_unsupported(path, is_mask=False)) or numbers, path)
    elif channels == 4 and _has_unmarked_channel(image):
        # A fourth channel that is not marked as alpha, such as near infrared. Pillow keeps it beside RGB.
        image = Image.frombytes("RGBA", image.size, image.tobytes("raw", "RGBX"))
    elif image.mode == "P" and image.has_transparency_data:
        image = image.convert("RGBA")
    try:
        return image if image.mode == MODES[channels] else image.convert(MODES[channels])
    except ValueError:  # such as LAB to grey
        problem = f"images in {image.mode} cannot be converted to {MODES[channels]}"
        raise DataError(problem, where=str(path or ""), hint="save it in RGB or grey") from None


def _has_unmarked_channel(image: Image.Image) -> bool:
    return image.mode == "RGB" and getattr(image, "tag_v2", {}).get(SAMPLESPERPIXEL) == 4


def _is_deep(image: Image.Image) -> bool:
    # Pillow reads 16-bit colours as 8-bit ones: only the name of its decoder's input tells.
    return image.format in ("PNG", "TIFF") and ";16" in str(getattr(image, "tile", [])[:1])


def _pixels(image: Image.Image) -> Pixels:
    pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _is_memory_short(pixels: int) -> bool:
    # libjpeg and libwebp call an image damaged if they have too little memory.
    try:
        np.empty(_DECODER_BYTES * pixels, np.uint8)
    except MemoryError:
        return True
    return False


def _cause(error: Exception, path: Path) -> DataError:
    where, again = str(path), "copy or download it again"
    if what := find_unsupported(path):
        return _unsupported(what, path)
    if isinstance(error, UnidentifiedImageError):
        problem = "this is not a readable image file" if path.stat().st_size else "the file is empty"
        return DataError(problem, where=where, hint=f"{again}; {READABLE}")
    if isinstance(error, OSError) and error.strerror:
        return DataError(f"the file cannot be read: {error.strerror}", where=where)
    return DataError(f"the image is damaged: {first_line(error)}", where=where, hint=again)


def _check_header(image: Image.Image, path: Path, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise _too_large(path, max_pixels)
    if image.format == "TIFF" and (what := find_unsupported(path)):
        raise _unsupported(what, path)
    pages = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
    if pages > 1:
        raise DataError(
            f"the file holds {pages} images", where=str(path), hint="save each image as a separate file"
        )


def _unsupported(what: str, path: Path | None) -> DataError:
    hint = "scale its values to the range of 8 or 16 bits; save it as grey, RGB or RGBA in PNG or TIFF"
    return DataError(f"images of {what} are not supported yet", where=str(path or ""), hint=hint)


def _too_large(path: Path, max_pixels: int) -> DataError:
    return DataError(
        f"the image has more than {max_pixels // 10**6} million pixels",
        where=str(path),
        hint="make it smaller, or predict it in tiles",
    )

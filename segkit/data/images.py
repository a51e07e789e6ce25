"""Reading of image files."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from segkit.core.errors import DataError, first_line
from segkit.core.types import Pixels
from segkit.data.resize import resize

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP")  # Pillow reads more, some with external programs
ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp")
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
LOSSY = ("JPEG", "MPO")
MAX_PIXELS = 2**27  # 134 million; larger files are mistakes or decompression bombs
MAX_IN_TILES = 2**29  # 537 million, 2 GiB when decoded: limit for tiled prediction
MARGIN = 1  # minimum ratio of a JPEG's decoded size to the target size; see tests/benchmarks/margins.py
Extent = tuple[int, int]  # (height, width)
_ORIENTATION = 0x0112  # EXIF tag
_TURNED = (5, 6, 7, 8)  # EXIF orientations that swap height and width
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
    """

    lossy: bool
    mode: str
    stored: Extent
    orientation: int

    @property
    def extent(self) -> Extent:
        """(height, width) after applying the EXIF orientation."""
        height, width = self.stored
        return (width, height) if self.orientation in _TURNED else (height, width)


def read_image(path: Path, channels: int) -> Pixels:
    """Read an image as (H, W, channels) uint8, with its EXIF orientation applied.

    16-bit images are scaled to 8 bits by the range of their type, not of their content.

    Raises:
        DataError: if the file is missing, damaged, or holds 32-bit numbers.
    """
    with opened(path) as image:
        return _pixels(converted(upright(image), path, channels))


def read_image_at(path: Path, channels: int, size: Extent) -> tuple[Pixels, Extent]:
    """Read an image at a size (height, width); returns it and its upright size in the file.

    A JPEG is decoded at 1/2, 1/4 or 1/8 of its size, which is faster, if that is at least `MARGIN` times
    the target size.

    Raises:
        DataError: as `read_image`.
    """
    with opened(path) as image:
        if image.format in LOSSY:
            return _decode_reduced(image, path, channels, size)
        whole = converted(upright(image), path, channels)
        return _pixels(resize(whole, size)), (whole.height, whole.width)


def read_header(path: Path, max_pixels: int = MAX_PIXELS) -> Header:
    """Read the metadata of an image file without decoding it.

    Raises:
        DataError: if the file is missing, not an image, or has more than `max_pixels`.
    """
    with opened(path, max_pixels) as image:
        orientation = image.getexif().get(_ORIENTATION, 1)
        valid = orientation if orientation in range(1, 9) else 1  # other numbers are invalid
        return Header(image.format in LOSSY, image.mode, (image.height, image.width), valid)


@contextmanager
def opened(path: Path, max_pixels: int = MAX_PIXELS) -> Iterator[Image.Image]:
    """Open an image file without decoding it; every error inside becomes a `DataError`."""
    try:
        with _pillow_limit(max_pixels), Image.open(path, formats=FORMATS) as image:
            _check_header(image, path, max_pixels)
            yield image
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError("there is no such file", where=str(path)) from None
    except UnidentifiedImageError:
        problem = "this is not a readable image file" if path.stat().st_size else "the file is empty"
        hint = "copy or download it again; PNG, JPEG, BMP, TIFF, GIF and WebP are read"
        raise DataError(problem, where=str(path), hint=hint) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(path, max_pixels) from None
    except Exception as error:  # decoders raise many types: struct.error, zlib.error, IndexError, ...
        if isinstance(error, OSError) and error.strerror:
            raise DataError(f"the file cannot be read: {error.strerror}", where=str(path)) from None
        problem = f"the image is damaged: {first_line(error)}"
        raise DataError(problem, where=str(path), hint="copy or download it again") from None


def upright(image: Image.Image) -> Image.Image:
    """Decode an image and apply its EXIF orientation in place."""
    image.load()
    try:
        ImageOps.exif_transpose(image, in_place=True)  # a copy costs a quarter of the decoding time
    except Exception as error:
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
    where = str(path or "")
    image.load()
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise DataError(
            "the image holds 32-bit numbers of unknown range", where=where, hint="save it with 8 or 16 bits"
        )
    elif image.mode == "P" and image.has_transparency_data:
        image = image.convert("RGBA")
    try:
        return image if image.mode == MODES[channels] else image.convert(MODES[channels])
    except ValueError:  # such as LAB to grey
        problem = f"images in {image.mode} cannot be converted to {MODES[channels]}"
        raise DataError(problem, where=where, hint="save it in RGB or grey") from None


def _decode_reduced(image: Image.Image, path: Path, channels: int, size: Extent) -> tuple[Pixels, Extent]:
    turned = image.getexif().get(_ORIENTATION) in _TURNED
    height, width = size[::-1] if turned else size
    extent = (image.width, image.height) if turned else (image.height, image.width)
    # The box excludes padding: the sides need not be multiples of eight.
    _, box = image.draft(None, (MARGIN * width, MARGIN * height)) or (None, None)
    small = resize(converted(image, path, channels), (height, width), box)
    return _pixels(upright(small)), extent


def _pixels(image: Image.Image) -> Pixels:
    pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[..., None]


@contextmanager
def _pillow_limit(max_pixels: int) -> Iterator[None]:
    before = Image.MAX_IMAGE_PIXELS  # Pillow's limit is global, for all threads
    if before is None or max_pixels <= MAX_PIXELS:
        yield
        return
    Image.MAX_IMAGE_PIXELS = max(before, max_pixels)
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _check_header(image: Image.Image, path: Path, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise _too_large(path, max_pixels)
    pages = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
    if pages > 1:
        raise DataError(
            f"the file holds {pages} images", where=str(path), hint="save each image as a separate file"
        )


def _too_large(path: Path, max_pixels: int) -> DataError:
    return DataError(
        f"the image has more than {max_pixels // 10**6} million pixels",
        where=str(path),
        hint="make it smaller, or predict it in tiles",
    )

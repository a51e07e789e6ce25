"""Reading image files, whatever they are encoded as, with errors that name the file."""

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

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP")  # Pillow knows more, and starts programs for some
ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp")
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
LOSSY = ("JPEG", "MPO")
MAX_PIXELS = 2**27  # 134 million: a larger file is a mistake, or made to fill the memory
MAX_IN_TILES = 2**29  # 537 million, 2 GiB when decoded: of a file that is wanted in tiles
MARGIN = 1  # a JPEG is decoded at least so much larger than wanted; measured in tests/benchmarks/margins.py
Extent = tuple[int, int]  # (height, width)
_ORIENTATION = 0x0112  # of EXIF
_TURNED = (5, 6, 7, 8)  # the sides change places; other numbers than 1 to 8 mean nothing
# What Pillow logs of a damaged file would be printed beside what segkit says of it.
logging.getLogger("PIL").addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of its image.

    Args:
        lossy: whether the pixels are near those that were saved, and no more.
        mode: in Pillow's words.
        stored: (height, width) as it lies in the file.
        orientation: of EXIF, 1 to 8; 1 is upright.
    """

    lossy: bool
    mode: str
    stored: Extent
    orientation: int

    @property
    def extent(self) -> Extent:
        """(height, width), upright."""
        height, width = self.stored
        return (width, height) if self.orientation in _TURNED else (height, width)


def read_image(path: Path, channels: int) -> Pixels:
    """An image as (H, W, channels) uint8, turned upright as its EXIF orientation says.

    16-bit images are brought to 8 bits by their type's range, not by their content.

    Raises:
        DataError: if the file is missing, damaged, or of numbers without a known range.
    """
    with opened(path) as image:
        return _pixels(converted(upright(image), path, channels))


def read_image_at(path: Path, channels: int, size: Extent) -> tuple[Pixels, Extent]:
    """An image as `read_image` gives it, brought to a size, and the extent that it has in its file.

    A JPEG is decoded at a half, a quarter or an eighth of its size, which its format makes cheap, where that
    is still `MARGIN` times the size wanted.

    Raises:
        DataError: as `read_image` does.
    """
    with opened(path) as image:
        if image.format in LOSSY:
            return _decoded_small(image, path, channels, size)
        whole = converted(upright(image), path, channels)
        return _pixels(resize(whole, size)), (whole.height, whole.width)


def read_header(path: Path, most: int = MAX_PIXELS) -> Header:
    """What a file says of its image; nothing is decoded.

    Args:
        path: of the file.
        most: pixels that it may have.

    Raises:
        DataError: if the file is missing, or no image.
    """
    with opened(path, most) as image:
        orientation = image.getexif().get(_ORIENTATION, 1)
        known = orientation if orientation in range(1, 9) else 1  # another number means nothing
        return Header(image.format in LOSSY, image.mode, (image.height, image.width), known)


@contextmanager
def opened(path: Path, most: int = MAX_PIXELS) -> Iterator[Image.Image]:
    """The image of a file, not decoded yet; whatever its decoder raises inside becomes a `DataError`.

    Args:
        path: of the file.
        most: pixels that it may have.
    """
    try:
        with _known_to_be_large(most), Image.open(path, formats=FORMATS) as image:
            _check_extent(image, path, most)
            yield image
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError("there is no such file", where=str(path)) from None
    except UnidentifiedImageError:
        problem = "this is no image that can be read" if path.stat().st_size else "the file is empty"
        hint = "copy or download it again; PNG, JPEG, BMP, TIFF, GIF and WebP are read"
        raise DataError(problem, where=str(path), hint=hint) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(path, most) from None
    except Exception as error:  # decoders meet damage in many ways: struct.error, zlib.error, IndexError, ...
        if isinstance(error, OSError) and error.strerror:
            raise DataError(f"the file cannot be read: {error.strerror}", where=str(path)) from None
        problem = f"the image is damaged: {first_line(error)}"
        raise DataError(problem, where=str(path), hint="copy or download it again") from None


def upright(image: Image.Image) -> Image.Image:
    """The same image, decoded and turned as its EXIF orientation says."""
    image.load()
    try:
        ImageOps.exif_transpose(image, in_place=True)  # a copy would take a quarter of the time of decoding
    except Exception as error:
        raise ValueError(f"its Exif data, which says what is up, cannot be read ({error})") from error
    return image


def converted(image: Image.Image, path: Path | None, channels: int) -> Image.Image:
    """In the mode of so many channels of 8 bits, decoded.

    Args:
        image: as Pillow opened it.
        path: of its file, if it has one.
        channels: 1, 3 or 4.

    Raises:
        DataError: if its numbers or colours cannot be read as that.
    """
    where = str(path or "")
    image.load()
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise DataError(
            "the image holds 32-bit numbers, of which nothing says what is black and what is white",
            where=where,
            hint="save it with 8 or 16 bits",
        )
    elif image.mode == "P" and image.has_transparency_data:
        image = image.convert("RGBA")
    try:
        return image if image.mode == MODES[channels] else image.convert(MODES[channels])
    except ValueError:  # LAB to grey, say
        problem = f"the image's colours are coded as {image.mode}, which is not read as {MODES[channels]}"
        raise DataError(problem, where=where, hint="save it in RGB or grey") from None


def _decoded_small(image: Image.Image, path: Path, channels: int, size: Extent) -> tuple[Pixels, Extent]:
    turned = image.getexif().get(_ORIENTATION) in _TURNED
    height, width = size[::-1] if turned else size
    extent = (image.width, image.height) if turned else (image.height, image.width)
    # The box says how much of the last row and column is image: sides need not be multiples of eight.
    _, box = image.draft(None, (MARGIN * width, MARGIN * height)) or (None, None)
    small = resize(converted(image, path, channels), (height, width), box)
    return _pixels(upright(small)), extent


def _pixels(image: Image.Image) -> Pixels:
    pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[..., None]


@contextmanager
def _known_to_be_large(most: int) -> Iterator[None]:
    before = Image.MAX_IMAGE_PIXELS
    if before is None or most <= MAX_PIXELS:
        yield
        return
    Image.MAX_IMAGE_PIXELS = max(before, most)
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _check_extent(image: Image.Image, path: Path, most: int) -> None:
    if image.width * image.height > most:
        raise _too_large(path, most)
    pages = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
    if pages > 1:
        raise DataError(
            f"the file holds {pages} images", where=str(path), hint="save each of them as a file of its own"
        )


def _too_large(path: Path, most: int) -> DataError:
    return DataError(
        f"the image has more than {most // 10**6} million pixels",
        where=str(path),
        hint="make it smaller, or cut it into tiles, as segkit predict --tile does",
    )

"""Images that Pillow reads: 8-bit ones of all formats, and grey ones of 16 bits in PNG and PGM."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, features

from segkit.core.errors import DataError
from segkit.core.types import Pixels
from segkit.data.large_arrays import empty, is_large, strips
from segkit.data.pillow_limit import without_pillow_limit
from segkit.data.readers.by_imagecodecs import decode, exif_of_png
from segkit.data.readers.raster import Extent, Header, Numbers, Raster, check_size, turned, valid_orientation
from segkit.utils.os_errors import is_out_of_memory

# Pillow reads more, some with external programs.
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP", "PPM", "AVIF")
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_LOSSY = ("JPEG", "MPO", "AVIF", "jpeg", "tiff_jpeg")  # formats, and compressions of TIFF
_ONE_IMAGE = ("JPEG", "MPO")  # whose first image is what every program shows
_TYPES = {"I": "float32", "F": "float32"}  # type that images get, by mode
_PLAIN = ("L", "LA", "RGB", "RGBA")  # modes whose numbers need no palette and no conversion
_ORIENTATION = 0x0112  # EXIF tag
# Pillow's log messages about damaged files would be printed beside segkit's errors.
logging.getLogger("PIL").addHandler(logging.NullHandler())


class PillowFile:
    """An image file that Pillow has opened.

    Args:
        image: image as opened.
        path: file; None for an image in memory.
        stored: (height, width) in the file, if known: newer Pillows tell the upright size of a TIFF.
        pages: number of images, if it is not the number of frames.
    """

    def __init__(
        self, image: Image.Image, path: Path | None, stored: Extent | None = None, pages: int | None = None
    ) -> None:
        self._image = image
        self._path = path
        self._pages = pages
        self._is_halved = _is_halved(image)
        self._numbers = _numbers(image, self._is_halved)
        self.stored = stored or (image.height, image.width)

    @property
    def format(self) -> str:
        """File format, as Pillow names it."""
        return str(self._image.format)

    @property
    def channels(self) -> int:
        """Channels of the image, opacity included."""
        return self._numbers[0]

    @property
    def colors(self) -> int:
        """Channels that are not opacity."""
        return self._numbers[0] - self._numbers[2]

    @property
    def is_large(self) -> bool:
        """Whether its numbers are better not held in memory as Pillow would, with four bytes per pixel."""
        height, width = self.stored
        return bool(self._path) and self._is_plain and is_large(4 * height * width)

    @property
    def _is_plain(self) -> bool:
        return self._image.mode in _PLAIN and "transparency" not in self._image.info

    @property
    def _is_by_imagecodecs(self) -> bool:
        is_whole_bytes = self.format == "JPEG" or _raw_mode(self._image) == self._image.mode
        return self._is_halved or (self.is_large and is_whole_bytes)

    @cached_property
    def header(self) -> Header:
        """Metadata; a PNG is decoded, as Pillow does to find its EXIF data, unless it is a large one."""
        image, form = self._image, self.format
        channels, kind, has_opacity = self._numbers
        pages = self._pages or (1 if form in _ONE_IMAGE else int(getattr(image, "n_frames", 1)))
        if form == "PNG" and self._path and self.is_large and self._is_by_imagecodecs:
            _find_exif(image, self._path)
        elif form == "PNG":
            image.load()
        orientation = _orientation(image)
        stored, is_lossy = self.stored, _is_lossy(image)
        return Header(form, image.mode, stored, channels, kind, has_opacity, is_lossy, orientation, pages)

    def raster(self) -> Raster:
        """Its numbers: indices if it has a palette, RGB if it has colours of another kind."""
        form, lossy = self.format, _is_lossy(self._image)
        if self._path and self._is_by_imagecodecs:
            decoded = decode(self._path, form, (*self.stored, self.channels), self._numbers[1])
            pixels = turned(decoded, self.header.orientation)
            return Raster(pixels, form, opacity=pixels.shape[-1] in (2, 4), lossy=lossy)
        image = _upright(self._image)
        if image.mode == "P":
            return Raster(to_array(image), form, _palette(image), lossy=lossy)
        image = _plain(image)
        if form == "PPM" and image.mode == "I":
            return Raster(to_array(image).astype(np.uint16), form)
        return Raster(to_array(image), form, opacity=image.mode in ("LA", "RGBA"), lossy=lossy)

    def converted(self, channels: int) -> Image.Image:
        """Its 8-bit numbers in 1 to 4 channels.

        Raises:
            DataError: if its colours cannot be converted.
        """
        image = _upright(self._image)
        if image.mode == "P" and image.has_transparency_data:
            image = image.convert("RGBA")
        mode = _MODES[channels]
        try:
            return image if image.mode == mode else image.convert(mode)
        except ValueError:  # such as LAB to grey
            problem, where = f"images in {image.mode} cannot be converted to {mode}", str(self._path or "")
            raise DataError(problem, where=where, hint="save it in RGB or grey") from None


@contextmanager
def open_pillow(
    path: Path, max_pixels: int, *, page: int = 0, stored: Extent | None = None, pages: int | None = None
) -> Iterator[PillowFile]:
    """Open a file with Pillow without decoding it; `stored` and `pages` as in `PillowFile`.

    Raises:
        DataError: if it has more than `max_pixels`.
        Exception: of many types if it is damaged or no image.
    """
    # A TIFF as a file: Pillow maps one that it is given by name into memory, and then does not turn it.
    file = path.open("rb") if stored else nullcontext(path)
    with without_pillow_limit(), file as source, Image.open(source, formats=FORMATS) as image:
        if page:
            image.seek(page)
        check_size((image.height, image.width), 4, path, max_pixels)
        if image.format == "PPM" and image.tile[0].codec_name != "raw":
            hint = "save it with a maximum of 255, grey also of 65535, in binary form; or as PNG or TIFF"
            raise DataError("its numbers would be changed by reading", where=str(path), hint=hint)
        yield PillowFile(image, path, stored, pages)


@contextmanager
def open_avif(path: Path, max_pixels: int) -> Iterator[PillowFile]:
    """Open an AVIF with Pillow, as `open_pillow`.

    Raises:
        DataError: if Pillow was built without AVIF, or would read 8 of more bits.
    """
    if not features.check("avif"):
        problem, hint = "this Pillow cannot read AVIF files", "pip install --force-reinstall pillow"
        raise DataError(problem, where=str(path), hint=hint)
    with path.open("rb") as file:
        bits = file.read(4096).partition(b"pixi")[2][5:6]  # of the first channel
    if bits > b"\x08":
        problem = f"AVIF files of {bits[0]} bits are not read"
        raise DataError(problem, where=str(path), hint="convert it to PNG or TIFF of 16 bits")
    with open_pillow(path, max_pixels) as image:
        yield image


def _upright(image: Image.Image) -> Image.Image:
    """Decode an image and apply its EXIF orientation in place."""
    image.load()
    try:
        ImageOps.exif_transpose(image, in_place=True)  # a copy costs a quarter of the decoding time
    except Exception as error:
        raise _without_orientation(error) from error
    return image


def to_array(image: Image.Image) -> Numbers:
    """(H, W, C) numbers of an image."""
    height, width, channels = image.height, image.width, len(image.getbands())
    if is_large(height * width * channels):
        pixels = empty((height, width, channels), np.asarray(image.crop((0, 0, 1, 1))).dtype)
        for rows in strips(pixels):
            part = image.crop((0, rows.start, width, rows.stop))
            pixels[rows] = np.asarray(part).reshape(-1, width, channels)
        return pixels
    pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _numbers(image: Image.Image, is_halved: bool) -> tuple[int, str, bool]:
    """Channels, type of the numbers, and whether the last channel is opacity."""
    if is_halved:
        channels = len(_raw_mode(image).split(";")[0])
        return channels, "uint16", channels in (2, 4)
    if image.format == "PPM" and image.mode == "I":
        return 1, "uint16", False
    if image.mode in _TYPES or image.mode.startswith("I;16"):
        return 1, _TYPES.get(image.mode, "uint16"), False
    colors = 1 if image.mode in ("1", "L", "LA", "La") else 3
    return colors + image.has_transparency_data, "uint8", image.has_transparency_data


def _plain(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        return image.convert("LA" if image.mode in ("L", "LA", "La") else "RGBA")
    is_plain = image.mode in ("1", "L", "RGB", *_TYPES) or image.mode.startswith("I;16")
    return image if is_plain else image.convert("RGB")


def _palette(image: Image.Image) -> Pixels:
    colors = np.array(image.getpalette("RGBA"), np.uint8).reshape(-1, 4)
    transparent = image.info.get("transparency")
    if isinstance(transparent, bytes):
        opacity = np.frombuffer(transparent, np.uint8)[: len(colors)]
        colors[: len(opacity), 3] = opacity
    elif transparent is not None and transparent < len(colors):
        colors[transparent, 3] = 0
    return colors if image.has_transparency_data else colors[:, :3]


def _is_halved(image: Image.Image) -> bool:
    return ";16" in _raw_mode(image) and not image.mode.startswith("I")


def _raw_mode(image: Image.Image) -> str:
    # Pillow reads the 16-bit colours of a PNG as 8-bit ones: only the name of its decoder's input tells.
    tiles = getattr(image, "tile", []) if image.format == "PNG" else []
    return str(tiles[0].args) if tiles else ""


def _is_lossy(image: Image.Image) -> bool:
    return image.format in _LOSSY or (image.format == "TIFF" and image.info.get("compression") in _LOSSY)


def _find_exif(image: Image.Image, path: Path) -> None:
    """Give a PNG its EXIF data, which Pillow would decode it for if they are behind the pixels."""
    if not {"exif", "Raw profile type exif"} & image.info.keys():
        image.info["exif"] = exif_of_png(path)


def _orientation(image: Image.Image) -> int:
    try:
        return valid_orientation(image.getexif().get(_ORIENTATION, 1))
    except Exception as error:
        raise _without_orientation(error) from error


def _without_orientation(error: Exception) -> Exception:
    return error if is_out_of_memory(error) else ValueError(f"its EXIF orientation cannot be read ({error})")

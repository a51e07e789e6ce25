"""TIFF files: numbers of any type and number of channels by tifffile, other colour spaces by Pillow."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segkit.core.errors import DataError
from segkit.data.large_arrays import by_strips, empty, is_large
from segkit.data.readers.pillow import open_pillow
from segkit.data.readers.raster import (
    Header,
    ImageFile,
    Numbers,
    Raster,
    check_size,
    image_type,
    turned,
    valid_orientation,
)

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage, TiffPageSeries

_NONE, _LZW, _OLD_JPEG, _JPEG = 1, 5, 6, 7
# None, LZW, deflate, PackBits, deflate again, LZMA, Zstandard: decoders that make no more than is asked for.
# That of JPEG makes as much as the JPEG inside says, which may be 12 GB.
_BY_TIFFFILE = (_NONE, _LZW, 8, 32773, 32946, 34925, 50000)
_BY_PILLOW = (*_BY_TIFFFILE, 2, 3, 4, _OLD_JPEG, _JPEG, 32771, 32809)
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
_COLORS = {3: 1, 5: 4, 6: 3, 8: 3}  # channels of the colours that Pillow converts: palette, CMYK, YCbCr, LAB
_PALETTE = 3
_SPACES = {3: " in a palette", 5: " in CMYK", 6: " in YCbCr", 8: " in LAB"}
_MODES = {(0, 1): "L", (1, 1): "L", (2, 3): "RGB"}  # by photometric interpretation and channels
_ASSOCIATED, _UNASSOCIATED = 1, 2  # opacity, in ExtraSamples
_ORIENTATION = 274  # tag
_NOT_THE_IMAGE = 0b101  # in NewSubfileType: a reduced copy, or a mask of transparency
_KINDS = {"u": "integers", "i": "signed integers", "f": "floating-point numbers", "c": "complex numbers"}
_MAX_PAGES = 4096  # whose headers are read
_READ_AHEAD = 1 << 24  # bytes; tifffile would hold 268 million
# Of the formats made of TIFF, only ImageJ's and tifffile's own say more than the tags: what OME-TIFF says
# may lead to other files.
_PLAIN: dict[str, Any] = {
    f"is_{kind}": False
    for kind in ("ome", "lsm", "stk", "ndpi", "svs", "scn", "mmstack", "ndtiff", "philips", "bif", "vista")
}
# Its log messages about damaged files would be printed beside segkit's errors.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


@contextmanager
def open_tiff(path: Path, max_pixels: int) -> Iterator[ImageFile]:
    """Open a TIFF without decoding it.

    Raises:
        DataError: if it has more than `max_pixels`, or holds what is not read.
        Exception: of many types if it is damaged.
    """
    import tifffile  # slow to import

    with tifffile.TiffFile(path, _multifile=False, **_PLAIN) as file:
        pages = _images(file)
        page = pages[0]
        stored = page.imagelength, page.imagewidth
        check_size(stored, 1, path, max_pixels)
        if what := _unread(page):
            hint = "save it as grey or RGB, without compression or with deflate"
            raise DataError(f"images of {what} are not read", where=str(path), hint=hint)
        is_all = len(pages) == 1 and not file.is_imagej and not file.is_shaped
        if not _is_converted(page) and not (is_all and _is_faster(page)):
            yield _TiffFile(file, pages, path, max_pixels)
            return
    with open_pillow(path, max_pixels, page=page.index, stored=stored, pages=len(pages)) as image:
        yield image


class _TiffFile:
    """The images of an open TIFF: its pages, or what ImageJ or tifffile say that its numbers are."""

    def __init__(self, file: TiffFile, pages: Sequence[TiffPage], path: Path, max_pixels: int) -> None:
        self._pages, self._path, self._max_pixels = pages, path, max_pixels
        self.stored = pages[0].imagelength, pages[0].imagewidth
        self._series: TiffPageSeries | None = None
        self._axis = ""  # of the channels, in a series
        if file.is_imagej or file.is_shaped:
            series = file.series
            lengths = _lengths(series[0])
            is_whole = len(series) == 1 and math.prod(lengths.values()) == math.prod(series[0].shape)
            if is_whole and (lengths.get("Y"), lengths.get("X")) == self.stored:
                self._series = series[0]
                self._axis = "S" if "S" in lengths else "C"
        self._check_size(self.header.channels)

    @cached_property
    def header(self) -> Header:
        """Metadata."""
        page = self._pages[0]
        channels, pages = page.samplesperpixel, len(self._pages) * page.imagedepth
        if self._series is not None:
            lengths = _lengths(self._series)
            channels = lengths.get(self._axis, 1)
            pages = math.prod(lengths.values()) // (channels * math.prod(self.stored))
        has_opacity = channels > 1 and page.extrasamples[-1:] in ((_ASSOCIATED,), (_UNASSOCIATED,))
        mode = _MODES.get((page.photometric, channels - has_opacity), f"{channels} channels")
        kind = str(image_type(_dtype(page)))
        orientation = valid_orientation(page.tags.valueof(_ORIENTATION, 1))
        return Header("TIFF", mode, self.stored, channels, kind, has_opacity, False, orientation, pages)

    def raster(self) -> Raster:
        """Its numbers; of pages with one channel, their number is that of the channels."""
        header = self.header
        self._check_size(header.channels * header.pages)
        numbers = self._numbers()
        page = self._pages[0]
        if page.photometric == _WHITE_IS_ZERO and numbers.dtype.kind == "u":
            white = numbers.dtype.type(2**page.bitspersample - 1)
            numbers = by_strips(lambda part: white - part, numbers)
        if header.opacity and page.extrasamples[-1] == _ASSOCIATED:
            numbers = by_strips(_unassociated, numbers)
        return Raster(turned(numbers, header.orientation), "TIFF", opacity=header.opacity)

    def _check_size(self, channels: int) -> None:
        page = self._pages[0]
        tile = page.tilelength * page.tiledepth, page.tilewidth  # decoded as a whole; 0 of strips
        for extent in (self.stored, tile):
            check_size(extent, channels * _dtype(page).itemsize, self._path, self._max_pixels)

    def _numbers(self) -> Numbers:
        for page in self._pages:
            _check_segments(page)
        if self._series is None:
            pages = [_decoded(page) for page in self._pages]
            if len({(page.shape, page.dtype) for page in pages}) > 1:
                raise ValueError("its pages differ in size or type")
            return pages[0] if len(pages) == 1 else np.concatenate(pages, axis=-1)
        axes = self._series.axes
        order = [axes.index(axis) for axis in ("Y", "X", self._axis) if axis in axes]
        out = _to_file(self._series.shape, np.dtype(self._series.dtype))
        numbers = np.moveaxis(
            self._series.asarray(out=out, maxworkers=1, buffersize=_READ_AHEAD), order, range(-len(order), 0)
        )
        numbers = numbers.reshape(self.header.pages, *self.stored, self.header.channels)
        return numbers[0] if len(numbers) == 1 else np.moveaxis(numbers[..., 0], 0, -1)


def _lengths(series: TiffPageSeries) -> dict[str, int]:
    """Lengths by axis, without axes of length 1, of which several may have one name."""
    axes = zip(series.axes, series.shape, strict=True)
    return {axis: length for axis, length in axes if length > 1 or axis in "YX"}


def _images(file: TiffFile) -> list[TiffPage]:
    if len(file.pages) > _MAX_PAGES:
        raise ValueError(f"it holds {len(file.pages)} images")
    pages = [*file.pages]
    for page in pages:  # a damaged tag may be a text or a list
        numbers = (page.imagelength, page.imagewidth, page.imagedepth, page.samplesperpixel)
        tile = (page.tilelength, page.tilewidth, page.tiledepth)
        kind = (page.compression, page.photometric)
        if not all(isinstance(number, int) for number in (*numbers, *tile, *kind)):
            raise ValueError("its size or type is not a number")
    return [page for page in pages if not page.subfiletype & _NOT_THE_IMAGE] or pages[:1]


def _unread(page: TiffPage) -> str:
    """What it holds that is not read, such as numbers compressed by an unknown method; "" if it is read."""
    if page.compression not in (_BY_PILLOW if _is_converted(page) else _BY_TIFFFILE):
        return f"numbers compressed by method {int(page.compression)}"
    if page.photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, *_COLORS):
        return f"photometric interpretation {int(page.photometric)}"
    kind = page.dtype.kind if page.dtype is not None else ""
    if _is_converted(page) or (page.photometric not in _COLORS and kind and kind in "uif"):
        return ""
    numbers = f"{page.bitspersample}-bit {_KINDS.get(kind, 'numbers of an unknown kind')}"
    channels = f"{page.samplesperpixel} channels of " if page.samplesperpixel > 1 else ""
    return channels + numbers + _SPACES.get(page.photometric, "")


def _is_faster(page: TiffPage) -> bool:
    """Whether Pillow reads the same numbers in half of tifffile's time."""
    is_usual = page.dtype == np.uint8 and page.samplesperpixel in (1, 3)
    # Pillow would need four bytes per pixel.
    return page.compression == _LZW and is_usual and not is_large(4 * page.imagelength * page.imagewidth)


def _is_converted(page: TiffPage) -> bool:
    """Whether Pillow has to convert its numbers to colours, or to unpack them."""
    channels = page.samplesperpixel - (page.extrasamples[-1:] == (_UNASSOCIATED,))
    if page.photometric in _COLORS:
        bits = (1, 2, 4, 8) if page.photometric == _PALETTE else (8,)
        return page.bitspersample in bits and channels == _COLORS[page.photometric]
    if page.compression in (_OLD_JPEG, _JPEG):
        return page.bitspersample == 8 and page.samplesperpixel in (1, 3)
    return page.bitspersample in (1, 2, 4) and page.samplesperpixel == 1


def _dtype(page: TiffPage) -> np.dtype[Any]:
    assert page.dtype is not None, "checked by _unread"
    return page.dtype


def _check_segments(page: TiffPage) -> None:
    """Refuse an image of which tifffile would make up a part: it has no numbers where the file has none."""
    offsets, counts = np.array(page.dataoffsets), np.array(page.databytecounts)
    is_missing = (counts == 0) & (offsets > 0)  # both are 0 where a sparse GeoTIFF has no data
    if not len(offsets) == len(counts) == math.prod(page.chunked) or is_missing.any() or not counts.any():
        raise ValueError("parts of it are missing")
    if (offsets + counts > page.parent.filehandle.size).any():
        raise ValueError("the file is cut off")


def _decoded(page: TiffPage) -> Numbers:  # (H, W, C)
    out = _to_file(page.shaped, _dtype(page))
    planes = page.asarray(out=out, squeeze=False, maxworkers=1, buffersize=_READ_AHEAD)[
        :, 0
    ]  # (planes, H, W, samples)
    return planes[0] if len(planes) == 1 else np.moveaxis(planes[..., 0], 0, -1)


def _to_file(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Numbers | None:
    """What a large image is decoded to."""
    return empty(shape, dtype) if is_large(math.prod(shape) * dtype.itemsize) else None


def _unassociated(numbers: Numbers) -> Numbers:
    """(H, W, C) with colours that were multiplied by the opacity, their last channel, divided by it."""
    colors, opacity = numbers[..., :-1], numbers[..., -1:]
    if numbers.dtype.kind != "u":
        divided = np.divide(colors, opacity, out=np.zeros_like(colors), where=opacity != 0)
    else:
        highest = np.iinfo(numbers.dtype).max
        divided = np.minimum(colors.astype(np.uint64) * highest // np.maximum(opacity, 1), highest)
        divided *= opacity > 0
    return np.concatenate([divided.astype(numbers.dtype), opacity], axis=-1)

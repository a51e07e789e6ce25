"""What an image file holds, as it is stored, and what its header says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from segkit.core.errors import DataError
from segkit.core.types import Pixels

Numbers = npt.NDArray[Any]
Extent = tuple[int, int]  # (height, width)
BYTES_PER_PIXEL = 16  # limit of the numbers of one pixel, for as many pixels as are read


@dataclass(frozen=True, slots=True)
class Header:
    """Metadata of an image file.

    Args:
        format: file format, as Pillow names it; "NPY" and "MAT" beside them.
        mode: how a pixel is stored: a Pillow mode where Pillow reads the file, else such as "5 channels".
        stored: (height, width) in the file.
        channels: channels of the image, opacity included; 3 or 4 for palettes and other colour spaces.
        dtype: type of the image's numbers as they are read: uint8, uint16, int16 or float32.
        opacity: whether the file marks the last channel as opacity.
        lossy: whether the file keeps no exact numbers (JPEG, HEIC, AVIF).
        orientation: EXIF orientation, 1 to 8; 1 is upright.
        pages: images in the file, reduced copies not counted.
    """

    format: str
    mode: str
    stored: Extent
    channels: int
    dtype: str
    opacity: bool = False
    lossy: bool = False
    orientation: int = 1
    pages: int = 1

    @property
    def extent(self) -> Extent:
        """(height, width) after applying the EXIF orientation."""
        height, width = self.stored
        return (width, height) if self.orientation > 4 else (height, width)

    @property
    def colors(self) -> int:
        """Channels that are not opacity."""
        return self.channels - self.opacity


@dataclass(frozen=True)
class Raster:
    """The numbers of an image file, upright.

    Args:
        pixels: (H, W, C) as stored, of any integer or floating-point type, or bool for files of one bit. Of
            several pages of one channel, C is the number of pages. CMYK, YCbCr and LAB are RGB.
        format: as in `Header`.
        palette: (N, 3) colours of the numbers, or (N, 4) with opacity; None if there is no palette.
        opacity: as in `Header`, but False with a palette.
        lossy: as in `Header`.
    """

    pixels: Numbers
    format: str
    palette: Pixels | None = None
    opacity: bool = False
    lossy: bool = False


class ImageFile(Protocol):
    """An open image file, not yet decoded."""

    @property
    def stored(self) -> Extent:
        """(height, width) in the file."""
        ...

    @property
    def header(self) -> Header:
        """Metadata."""
        ...

    def raster(self) -> Raster:
        """Decode the file; of several pages only if each has one channel."""
        ...


def image_type(kind: np.dtype[Any]) -> np.dtype[Any]:
    """Type in which images keep numbers of a type.

    Raises:
        ValueError: if they are no real numbers.
    """
    if kind in (np.uint8, np.uint16, np.int16):
        return kind.newbyteorder("=")
    if kind.kind not in "biuf":
        raise ValueError(f"it holds {kind.name}, not numbers")
    return np.dtype(np.uint8 if kind == np.bool_ else np.int16 if kind == np.int8 else np.float32)


def check_size(extent: Extent, bytes_per_pixel: int, path: object, max_pixels: int) -> None:
    """Refuse an image whose numbers would not fit into memory.

    Raises:
        DataError: if it has more than `max_pixels`, or as many bytes as 16 for each of them.
    """
    pixels = extent[0] * extent[1]
    hint = "make it smaller; data.fit: crop and prediction in tiles take up to 537 million pixels"
    if pixels > max_pixels:
        problem = f"the image has more than {max_pixels // 10**6} million pixels"
        raise DataError(problem, where=str(path), hint=hint)
    if pixels * bytes_per_pixel > max_pixels * BYTES_PER_PIXEL:
        problem = f"the numbers of the image need more than {max_pixels * BYTES_PER_PIXEL >> 30} GiB"
        raise DataError(problem, where=str(path), hint=hint)


def turned(pixels: Numbers, orientation: int) -> Numbers:
    """(H, W, ...) with an EXIF orientation applied."""
    if orientation in (2, 7, 5, 4):
        pixels = pixels[:, ::-1]
    turns = {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}.get(orientation, 0)
    return np.rot90(pixels, turns) if turns else pixels


def valid_orientation(number: Any) -> int:
    """An EXIF orientation; other numbers, which mean nothing, are 1."""
    return number if number in range(1, 9) else 1

"""An image to predict: a file, Pillow's, or an array; at any size, or in pieces of its own pixels."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from PIL import Image

from segkit.core.errors import DataError
from segkit.data.images import MAX_IN_TILES, MODES, converted, opened, read_header, read_image_at, upright
from segkit.data.resize import resize

if TYPE_CHECKING:
    from segkit.core.types import Pixels

Size = tuple[int, int]  # (height, width)


class ImageSource(Protocol):
    """An image to predict."""

    @property
    def extent(self) -> Size:
        """(height, width), upright."""
        ...

    def at(self, size: Size) -> Pixels:
        """(height, width, C): the whole image at a size, resized as for training."""
        ...

    def cut(self, top: int, left: int, height: int, width: int) -> Pixels:
        """(height, width, C): a piece of its own pixels, which lies inside."""
        ...


class FilePicture:
    """An image file.

    Args:
        path: of the file.
        channels: of the model's images.
    """

    def __init__(self, path: Path, channels: int) -> None:
        self.path = path
        self.channels = channels

    @cached_property
    def extent(self) -> Size:
        """(height, width), upright.

        Raises:
            DataError: here and below: if the file is missing, damaged or no image.
        """
        return read_header(self.path, MAX_IN_TILES).extent

    def at(self, size: Size) -> Pixels:
        """The whole image at a size, decoded no larger than need be."""
        pixels, self.extent = read_image_at(self.path, self.channels, size)
        return pixels

    def cut(self, top: int, left: int, height: int, width: int) -> Pixels:
        """A piece; the whole is decoded once, and held in memory with four bytes for a pixel."""
        return _piece(self._whole, top, left, height, width)

    @cached_property
    def _whole(self) -> Image.Image:
        with opened(self.path, MAX_IN_TILES) as image:
            return converted(upright(image), self.path, self.channels)


class ArrayPicture:
    """Pixels that are in memory.

    Args:
        image: Pillow's, or an array: (H, W) or (H, W, C), uint8 or uint16.
        channels: of the model's images.

    Raises:
        DataError: if it is no image.
    """

    def __init__(self, image: Any, channels: int) -> None:
        self._image = converted(_pillow(image), None, channels)
        self.extent = self._image.height, self._image.width

    def at(self, size: Size) -> Pixels:
        """The whole image at a size."""
        return _array(resize(self._image, size))

    def cut(self, top: int, left: int, height: int, width: int) -> Pixels:
        """A piece."""
        return _piece(self._image, top, left, height, width)


def picture_of(image: Any, channels: int) -> ImageSource:
    """An image to predict, of whatever somebody has: a path, Pillow's image, or an array.

    Raises:
        DataError: if it is none of these.
    """
    if isinstance(image, str | Path):
        return FilePicture(Path(image), channels)
    return ArrayPicture(image, channels)


def _pillow(image: Any) -> Image.Image:
    if isinstance(image, Image.Image):
        return upright(image.copy())
    array = np.asarray(image)
    whole = array[..., 0] if array.ndim == 3 and array.shape[-1] == 1 else array
    if whole.dtype == np.uint16:
        whole = (whole // 257).astype(np.uint8)
    if whole.dtype != np.uint8 or not (whole.ndim == 2 or (whole.ndim == 3 and whole.shape[-1] in (3, 4))):
        raise DataError(
            f"an array {array.shape} of {array.dtype} is no image",
            hint="(H, W), (H, W, 3) or (H, W, 4), of uint8 from 0 to 255",
        )
    if 0 in whole.shape:
        raise DataError(f"an array {array.shape} has no pixels")
    return Image.fromarray(np.ascontiguousarray(whole))


def _piece(image: Image.Image, top: int, left: int, height: int, width: int) -> Pixels:
    return _array(image.crop((left, top, left + width, top + height)))


def _array(image: Image.Image) -> Pixels:
    pixels = np.asarray(image)
    assert image.mode in MODES.values()
    return pixels if pixels.ndim == 3 else pixels[..., None]

"""Input images: files, Pillow images and arrays, read whole at any size or as crops."""

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
    """An input image, rotated according to its EXIF orientation."""

    @property
    def size(self) -> Size:
        """(height, width)."""
        ...

    def resized(self, size: Size) -> Pixels:
        """The whole image (height, width, C) at a size, resized as for training."""
        ...

    def crop(self, top: int, left: int, height: int, width: int) -> Pixels:
        """A crop (height, width, C) at full resolution; it must lie inside the image."""
        ...


class ImageFile:
    """An image file; all methods raise `DataError` if it is missing, damaged or not an image.

    Args:
        path: image file.
        channels: channels that the model takes.
    """

    def __init__(self, path: Path, channels: int) -> None:
        self.path = path
        self.channels = channels

    @cached_property
    def size(self) -> Size:
        """(height, width); reads the file's header only."""
        return read_header(self.path, MAX_IN_TILES).extent

    def resized(self, size: Size) -> Pixels:
        """The whole image at a size."""
        pixels, self.size = read_image_at(self.path, self.channels, size)
        return pixels

    def crop(self, top: int, left: int, height: int, width: int) -> Pixels:
        """A crop; the decoded image stays in memory (four bytes per pixel)."""
        return _crop(self._decoded, top, left, height, width)

    @cached_property
    def _decoded(self) -> Image.Image:
        with opened(self.path, MAX_IN_TILES) as image:
            return converted(upright(image), self.path, self.channels)


class ImageArray:
    """An image in memory.

    Args:
        image: Pillow image, or array (H, W) or (H, W, C) of uint8 or uint16.
        channels: channels that the model takes.

    Raises:
        DataError: if it is not an image.
    """

    def __init__(self, image: Any, channels: int) -> None:
        self._image = converted(_to_pillow(image), None, channels)
        self.size = self._image.height, self._image.width

    def resized(self, size: Size) -> Pixels:
        """The whole image at a size."""
        return _to_array(resize(self._image, size))

    def crop(self, top: int, left: int, height: int, width: int) -> Pixels:
        """A crop."""
        return _crop(self._image, top, left, height, width)


def open_image(image: Any, channels: int) -> ImageSource:
    """An input image from a path, a Pillow image or an array.

    Raises:
        DataError: if it is none of these.
    """
    if isinstance(image, str | Path):
        return ImageFile(Path(image), channels)
    return ImageArray(image, channels)


def _to_pillow(image: Any) -> Image.Image:
    if isinstance(image, Image.Image):
        return upright(image.copy())
    array = np.asarray(image)
    pixels = array[..., 0] if array.ndim == 3 and array.shape[-1] == 1 else array
    if pixels.dtype == np.uint16:
        pixels = (pixels // 257).astype(np.uint8)
    is_image = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[-1] in (3, 4))
    if pixels.dtype != np.uint8 or not is_image:
        raise DataError(
            f"an array of shape {array.shape} and type {array.dtype} is not an image",
            hint="use (H, W), (H, W, 3) or (H, W, 4) of uint8, 0 to 255",
        )
    if 0 in pixels.shape:
        raise DataError(f"an array of shape {array.shape} has no pixels")
    return Image.fromarray(np.ascontiguousarray(pixels))


def _crop(image: Image.Image, top: int, left: int, height: int, width: int) -> Pixels:
    return _to_array(image.crop((left, top, left + width, top + height)))


def _to_array(image: Image.Image) -> Pixels:
    pixels = np.asarray(image)
    assert image.mode in MODES.values()
    return pixels if pixels.ndim == 3 else pixels[..., None]

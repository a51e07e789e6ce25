"""Input images: files, Pillow images and arrays, read whole at any size or as crops."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from segkit.data.decoded import Decoded
from segkit.data.fit import Fit
from segkit.data.images import MAX_LARGE, hints_for_model, read_header, read_image_at
from segkit.data.preprocess import select_bands
from segkit.inference.seen_numbers import SeenNumbers

if TYPE_CHECKING:
    from segkit.core.types import Pixels
    from segkit.data.pixel_range import PixelRange
    from segkit.inference.model_info import ModelInfo

Size = tuple[int, int]  # (height, width)


class ImageSource(Protocol):
    """An input image, rotated according to its EXIF orientation.

    Its pixels have the channels that the model takes, and numbers as in the file.
    """

    @property
    def info(self) -> ModelInfo:
        """Information about the model."""
        ...

    @property
    def numbers(self) -> SeenNumbers:
        """Numbers of the pixels that have been read."""
        ...

    @property
    def size(self) -> Size:
        """(height, width)."""
        ...

    def resized(self, size: Size | Fit) -> Pixels:
        """The whole image (height, width, C) at a size, or at that of a fit, resized as for training."""
        ...

    def crop(self, top: int, left: int, height: int, width: int) -> Pixels:
        """A crop (height, width, C) at full resolution; it must lie inside the image."""
        ...


class ImageFile:
    """An image file; all methods raise `DataError` if it is missing, damaged, or no image for the model.

    Args:
        path: image file.
        info: information about the model.
        ranges: ranges of the models of an ensemble; by default that of the model.
    """

    def __init__(self, path: Path, info: ModelInfo, ranges: Sequence[PixelRange] = ()) -> None:
        self.path = path
        self.info = info
        self.numbers = SeenNumbers(*(ranges or [info.pixel_range]))

    @cached_property
    def size(self) -> Size:
        """(height, width); reads the file's header only."""
        return read_header(self.path, MAX_LARGE).extent

    def resized(self, size: Size | Fit) -> Pixels:
        """The whole image at a size, or at that of a fit."""
        with hints_for_model(self.info.channels):
            pixels, self.size = read_image_at(self.path, self.info.channels, size)
        return self.numbers.add(select_bands(pixels, self.info.bands))

    def crop(self, top: int, left: int, height: int, width: int) -> Pixels:
        """A crop; the decoded image stays in memory (four bytes per pixel of 8-bit colours)."""
        pixels = self._decoded.crop(top, left, height, width)
        return self.numbers.add(select_bands(pixels, self.info.bands))

    @cached_property
    def _decoded(self) -> Decoded:
        with hints_for_model(self.info.channels):
            return Decoded.read(self.path, self.info.channels, MAX_LARGE)


class ImageArray:
    """An image in memory.

    Args:
        image: Pillow image, or array (H, W) or (H, W, C) of numbers as in the model's training images. Four
            channels of uint8 are RGB and opacity, unless the model's images have four.
        info: information about the model.
        ranges: ranges of the models of an ensemble; by default that of the model.

    Raises:
        DataError: if it is not an image, or has another number of channels.
    """

    def __init__(self, image: Any, info: ModelInfo, ranges: Sequence[PixelRange] = ()) -> None:
        self.info = info
        self.numbers = SeenNumbers(*(ranges or [info.pixel_range]))
        with hints_for_model(info.channels):
            self._decoded = Decoded.of(image, info.channels)
        self.size = self._decoded.size

    def resized(self, size: Size | Fit) -> Pixels:
        """The whole image at a size, or at that of a fit."""
        size = size.content(self.size) if isinstance(size, Fit) else size
        return self.numbers.add(select_bands(self._decoded.resized(size), self.info.bands))

    def crop(self, top: int, left: int, height: int, width: int) -> Pixels:
        """A crop."""
        pixels = self._decoded.crop(top, left, height, width)
        return self.numbers.add(select_bands(pixels, self.info.bands))


def open_image(image: Any, info: ModelInfo, ranges: Sequence[PixelRange] = ()) -> ImageSource:
    """An input image from a path, a Pillow image or an array; see `ImageArray`.

    Raises:
        DataError: if it is none of these.
    """
    if isinstance(image, str | Path):
        return ImageFile(Path(image), info, ranges)
    return ImageArray(image, info, ranges)

"""Input images: files, Pillow images and arrays, read whole at any size or as crops."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from segkit.core.errors import DataError
from segkit.data.decoded import Decoded
from segkit.data.images import MAX_LARGE, read_header, read_image_at
from segkit.data.preprocess import select_bands
from segkit.inference.seen_numbers import SeenNumbers

if TYPE_CHECKING:
    from segkit.core.types import Pixels
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

    def resized(self, size: Size) -> Pixels:
        """The whole image (height, width, C) at a size, resized as for training."""
        ...

    def crop(self, top: int, left: int, height: int, width: int) -> Pixels:
        """A crop (height, width, C) at full resolution; it must lie inside the image."""
        ...


class ImageFile:
    """An image file; all methods raise `DataError` if it is missing, damaged, or no image for the model.

    Args:
        path: image file.
        info: information about the model.
    """

    def __init__(self, path: Path, info: ModelInfo) -> None:
        self.path = path
        self.info = info
        self.numbers = SeenNumbers(info.pixel_range)

    @cached_property
    def size(self) -> Size:
        """(height, width); reads the file's header only."""
        return read_header(self.path, MAX_LARGE).extent

    def resized(self, size: Size) -> Pixels:
        """The whole image at a size."""
        try:
            pixels, self.size = read_image_at(self.path, self.info.channels, size)
        except DataError as error:
            raise _for_model(error, self.info) from None
        return self.numbers.add(select_bands(pixels, self.info.bands))

    def crop(self, top: int, left: int, height: int, width: int) -> Pixels:
        """A crop; the decoded image stays in memory (four bytes per pixel of 8-bit colours)."""
        pixels = self._decoded.crop(top, left, height, width)
        return self.numbers.add(select_bands(pixels, self.info.bands))

    @cached_property
    def _decoded(self) -> Decoded:
        try:
            return Decoded.read(self.path, self.info.channels, MAX_LARGE)
        except DataError as error:
            raise _for_model(error, self.info) from None


class ImageArray:
    """An image in memory.

    Args:
        image: Pillow image, or array (H, W) or (H, W, C) of numbers as in the model's training images. Four
            channels of uint8 are RGB and opacity, unless the model's images have four.
        info: information about the model.

    Raises:
        DataError: if it is not an image, or has another number of channels.
    """

    def __init__(self, image: Any, info: ModelInfo) -> None:
        self.info = info
        self.numbers = SeenNumbers(info.pixel_range)
        try:
            self._decoded = Decoded.of(image, info.channels)
        except DataError as error:
            raise _for_model(error, info) from None
        self.size = self._decoded.size

    def resized(self, size: Size) -> Pixels:
        """The whole image at a size."""
        return self.numbers.add(select_bands(self._decoded.resized(size), self.info.bands))

    def crop(self, top: int, left: int, height: int, width: int) -> Pixels:
        """A crop."""
        pixels = self._decoded.crop(top, left, height, width)
        return self.numbers.add(select_bands(pixels, self.info.bands))


def open_image(image: Any, info: ModelInfo) -> ImageSource:
    """An input image from a path, a Pillow image or an array.

    Raises:
        DataError: if it is none of these.
    """
    if isinstance(image, str | Path):
        return ImageFile(Path(image), info)
    return ImageArray(image, info)


def _for_model(error: DataError, info: ModelInfo) -> DataError:
    """The error with what the model takes in place of what a recipe could say."""
    taken = "grey or RGB images" if info.channels in (1, 3) else f"images with {info.channels} channels"
    hint = f"the model takes {taken}"
    changed = [replace(p, hint=hint) if p.kind == "channels" else p for p in error.problems]
    return DataError.of(changed)

"""Decoded images of any type that are cropped and resized, in as little memory as possible."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import Image

from segkit.core.errors import DataError
from segkit.core.types import Pixels
from segkit.data.images import as_image, check_channels, decode_file
from segkit.data.readers.open import open_file
from segkit.data.readers.pillow import PillowFile, to_array
from segkit.data.readers.raster import Extent, Header, Raster, image_type
from segkit.data.resize import resize, resize_image

_RGBA = 4  # channels


@dataclass(frozen=True)
class Decoded:
    """A decoded image, upright.

    Args:
        image: Pillow image of 8-bit numbers, or array (H, W, C). A large photograph stays as Pillow has it: a
            copy as an array would take nearly as much memory again.
    """

    image: Image.Image | Pixels

    @classmethod
    def read(cls, path: Path, channels: int, max_pixels: int) -> Self:
        """Decode a file, as `read_image` does."""
        with open_file(path, max_pixels) as file:
            return cls(decode_file(file, path, channels))

    @classmethod
    def of(cls, image: Any, channels: int) -> Self:
        """A Pillow image, or an array (H, W) or (H, W, C), as a file with these numbers would be read.

        Four channels of uint8 are RGB and opacity, unless four are read.

        Raises:
            DataError: if it is neither, or has another number of channels.
        """
        if isinstance(image, Image.Image):
            return cls(decode_file(PillowFile(image.copy(), None), None, channels))
        array = np.asarray(image)
        pixels = array[..., None] if array.ndim == 2 else array
        if pixels.ndim != 3 or pixels.dtype.kind not in "biuf":
            raise DataError(
                f"an array of shape {array.shape} and type {array.dtype} is not an image",
                hint="use (H, W) or (H, W, C) of integers or floating-point numbers",
            )
        if 0 in pixels.shape:
            raise DataError(f"an array of shape {array.shape} has no pixels")
        count = pixels.shape[-1]
        has_opacity = pixels.dtype == np.uint8 and count == _RGBA
        kind = str(image_type(pixels.dtype))
        check_channels(Header("", "", pixels.shape[:2], count, kind, has_opacity), channels, None)
        return cls(as_image(Raster(pixels, "", opacity=has_opacity), channels, None))

    @property
    def size(self) -> Extent:
        """(height, width)."""
        if isinstance(self.image, Image.Image):
            return self.image.height, self.image.width
        return self.image.shape[0], self.image.shape[1]

    def resized(self, size: Extent) -> Pixels:
        """The whole image (height, width, C), resized as for training."""
        if isinstance(self.image, Image.Image):
            return to_array(resize(self.image, size))
        return resize_image(self.image, size)

    def crop(self, top: int, left: int, height: int, width: int) -> Pixels:
        """A crop (height, width, C)."""
        if isinstance(self.image, Image.Image):
            return to_array(self.image.crop((left, top, left + width, top + height)))
        return self.image[top : top + height, left : left + width]

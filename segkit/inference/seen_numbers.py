"""Numbers of images, compared with those that a model was trained on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from segkit.core.types import Pixels
    from segkit.data.pixel_range import PixelRange

_MAX_OUTSIDE = 0.5  # of the numbers of a channel
_MIN_SPREAD = 1 / 128  # of the range: less is two of the 256 levels of 8 bits
_SAMPLED_SIDE = 256  # pixels
_MAX_UINT8 = 255


class SeenNumbers:
    """Numbers of an image, of at most 256 x 256 pixels of each array that is added.

    Args:
        pixel_range: range of the model.
    """

    def __init__(self, pixel_range: PixelRange) -> None:
        self._low, self._high = np.array(pixel_range.low), np.array(pixel_range.high)
        self._is_eight_bits = pixel_range.is_eight_bits
        self._lowest = np.full(len(self._low), math.inf)
        self._highest = -self._lowest
        self._outside = np.zeros(len(self._low))
        self._pixels = 0
        self._dtype = np.dtype(np.uint8)

    def add(self, pixels: Pixels) -> Pixels:
        """Add an array (H, W, C), and return it. Of 8-bit images for an 8-bit model, nothing is counted."""
        if pixels.dtype == np.uint8 and self._is_eight_bits:
            return pixels
        step = math.ceil(max(pixels.shape[:2]) / _SAMPLED_SIDE)
        sample = pixels[::step, ::step].reshape(-1, pixels.shape[-1])
        self._lowest = np.minimum(self._lowest, sample.min(0))
        self._highest = np.maximum(self._highest, sample.max(0))
        self._outside += ((sample < self._low) | (sample > self._high)).sum(0)
        self._pixels += len(sample)
        self._dtype = pixels.dtype
        return pixels

    @property
    def are_unlike(self) -> bool:
        """Whether they cannot be numbers of the same kind as those of the training images.

        Half of them are outside of the range in some channel; or they use less than 1/128 of it in all
        channels; or they have 8 bits, and half of the range lies above 255.
        """
        if not self._pixels:
            return False
        width = self._high - self._low
        too_narrow = (self._highest - self._lowest < _MIN_SPREAD * width).all()
        too_few_bits = self._dtype == np.uint8 and (self._low + width / 2 > _MAX_UINT8).all()
        return bool((self._outside >= _MAX_OUTSIDE * self._pixels).any() or too_narrow or too_few_bits)

    def __str__(self) -> str:
        return f"{self._lowest.min():.6g} to {self._highest.max():.6g} ({self._dtype})"


def number_warnings(
    pixel_range: PixelRange, images: Sequence[tuple[str, SeenNumbers]], what: str = "images"
) -> list[str]:
    """A warning about images, each with its name, whose numbers are unlike those of the training images."""
    unlike = [(name, numbers) for name, numbers in images if numbers.are_unlike]
    if not unlike:
        return []
    (name, numbers), *_ = unlike
    low, high = min(pixel_range.low), max(pixel_range.high)
    count = f"{len(unlike):,} of {len(images):,} {what} have" if len(images) > 1 else "The image has"
    return [
        f"{count} numbers that are unlike those of the model's training images, {low:.6g} to {high:.6g}: "
        f"{name} has {numbers}. Masks may be wrong: use images of the same kind."
    ]

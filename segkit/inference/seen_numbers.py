"""Numbers of images, compared with those that a model was trained on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from segkit.data.large_arrays import subsampled
from segkit.utils.listing import agree

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
        ranges: ranges of the models, of the same number of channels.
    """

    def __init__(self, *ranges: PixelRange) -> None:
        self._ranges = ranges
        self._low, self._high = (np.array([getattr(r, end) for r in ranges]) for end in ("low", "high"))
        self._lowest = np.full(self._low.shape[1], math.inf)
        self._highest = -self._lowest
        self._outside = np.zeros(self._low.shape)  # of each range and channel
        self._pixels = 0
        self._dtype = np.dtype(np.uint8)

    def add(self, pixels: Pixels) -> Pixels:
        """Add an array (H, W, C), and return it. Of 8-bit images for 8-bit models, nothing is counted."""
        if pixels.dtype == np.uint8 and all(pixel_range.is_eight_bits for pixel_range in self._ranges):
            return pixels
        step = math.ceil(max(pixels.shape[:2]) / _SAMPLED_SIDE)
        sample = subsampled(pixels, step).reshape(-1, pixels.shape[-1])
        self._lowest = np.minimum(self._lowest, sample.min(0))
        self._highest = np.maximum(self._highest, sample.max(0))
        limits = zip(self._low, self._high, strict=True)
        self._outside += [((sample < low) | (sample > high)).sum(0) for low, high in limits]
        self._pixels += len(sample)
        self._dtype = pixels.dtype
        return pixels

    def are_unlike(self, pixel_range: PixelRange) -> bool:
        """Whether they cannot be numbers of the same kind as those of the training images of a model.

        Half of them are outside of its range in some channel; or they use less than 1/128 of it in all
        channels; or they have 8 bits, and half of the range lies above 255.

        Args:
            pixel_range: one of the ranges.
        """
        is_eight_bits = self._dtype == np.uint8
        if not self._pixels or (is_eight_bits and pixel_range.is_eight_bits):
            return False
        index = self._ranges.index(pixel_range)
        width = self._high[index] - self._low[index]
        too_narrow = (self._highest - self._lowest < _MIN_SPREAD * width).all()
        too_few_bits = is_eight_bits and (self._low[index] + width / 2 > _MAX_UINT8).all()
        outside = (self._outside[index] >= _MAX_OUTSIDE * self._pixels).any()
        return bool(outside or too_narrow or too_few_bits)

    def __str__(self) -> str:
        return f"{self._lowest.min():.6g} to {self._highest.max():.6g} ({self._dtype})"


def number_warnings(
    ranges: Sequence[PixelRange], images: Sequence[tuple[str, SeenNumbers]], what: str = "images"
) -> list[str]:
    """Warnings about images whose numbers are unlike those of the training images, one for each range.

    Args:
        ranges: ranges of the models; those of an ensemble may differ.
        images: images, each with its name.
        what: what they are, in the plural.
    """
    return [*filter(None, (_unlike(one, images, what) for one in dict.fromkeys(ranges)))]


def _unlike(pixel_range: PixelRange, images: Sequence[tuple[str, SeenNumbers]], what: str) -> str:
    unlike = [(name, numbers) for name, numbers in images if numbers.are_unlike(pixel_range)]
    if not unlike:
        return ""
    (name, numbers), *_ = unlike
    low, high = min(pixel_range.low), max(pixel_range.high)
    count = f"{len(unlike):,} of {len(images):,} {what}" if len(images) > 1 else "The image"
    have = agree(len(unlike), "has", "have")
    return (
        f"{count} {have} numbers that are unlike those of the model's training images, {low:.6g} to "
        f"{high:.6g}: {name} has {numbers}. Masks may be wrong: use images of the same kind."
    )

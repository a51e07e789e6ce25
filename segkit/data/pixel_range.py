"""What the numbers of image files mean: the lowest and highest of each channel become 0 and 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from segkit.core.types import Pixels
from segkit.data.cache.array_view import Stack, channels_of, types_of
from segkit.utils.listing import listed

_EIGHT_BITS = (0.0, 255.0)


@dataclass(frozen=True)
class PixelRange:
    """The numbers that become 0 and 1, by channel; those beyond become 0 or 1 too.

    Args:
        low: number that becomes 0, for each channel.
        high: number that becomes 1, for each channel; higher than `low`.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def of(cls, pairs: Sequence[float] | Sequence[Sequence[float]], channels: int) -> Self:
        """The range of a recipe: [low, high] of all channels, or one such pair for each."""
        by_channel = np.broadcast_to(np.array(pairs, np.float64), (channels, 2))
        return cls(tuple(by_channel[:, 0].tolist()), tuple(by_channel[:, 1].tolist()))

    @property
    def is_eight_bits(self) -> bool:
        """Whether it is 0 to 255 in all channels: 8-bit images are then used as they are."""
        return {*zip(self.low, self.high, strict=True)} == {_EIGHT_BITS}

    def __str__(self) -> str:
        """In words: "0 to 4095", or by channel."""
        numbers = [f"{low:.6g} to {high:.6g}" for low, high in zip(self.low, self.high, strict=True)]
        return numbers[0] if len({*numbers}) == 1 else listed(numbers, 4)

    def pairs(self) -> list[float] | list[list[float]]:
        """As in a recipe: [low, high] if it is the same for all channels, else one pair for each."""
        pairs = [[low, high] for low, high in zip(self.low, self.high, strict=True)]
        return pairs[0] if all(pair == pairs[0] for pair in pairs) else pairs

    def unit(self, image: Pixels) -> npt.NDArray[np.float32]:
        """(..., C) numbers of any type -> float32 in 0..1: ``clip((image - low) / (high - low), 0, 1)``."""
        low, high = np.array(self.low, np.float32), np.array(self.high, np.float32)
        unit: npt.NDArray[np.float32] = (image.astype(np.float32) - low) / (high - low)
        return np.clip(unit, 0, 1, out=unit)


def range_to_apply(images: Stack, pixel_range: PixelRange | None) -> PixelRange | None:
    """The range of images that become float32; None for 8-bit images of 0 to 255, which stay as they are."""
    pixel_range = pixel_range or PixelRange.of((0, 255), channels_of(images))
    stay = pixel_range.is_eight_bits and types_of(images) <= {np.dtype(np.uint8)}
    return None if stay else pixel_range

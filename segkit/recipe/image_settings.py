"""Keys of a recipe about the numbers in images: channels, bands, range, normalize."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from segkit.core.registry import Settings

MAX_CHANNELS = 1024
_MAX_NUMBER = 1e38  # float32 holds the difference of any two

Channels = Literal["auto"] | Annotated[int, Field(ge=1, le=MAX_CHANNELS)]
Pair = tuple[float, float]


class Percentile(Settings):
    """Range of the numbers in the training images without the smallest and largest ones.

    Args:
        percentile: percentiles of each channel that become 0 and 1.
    """

    percentile: tuple[Annotated[float, Field(ge=0, le=100)], Annotated[float, Field(ge=0, le=100)]]


Bands = Annotated[tuple[Annotated[int, Field(ge=0, lt=MAX_CHANNELS)], ...], Field(min_length=1)]
Range = Literal["auto"] | Pair | Annotated[list[Pair], Field(min_length=1)] | Percentile


class Normalize(Settings):
    """Mean and standard deviation per channel, for pixels in 0..1."""

    mean: tuple[float, ...]
    std: tuple[Annotated[float, Field(gt=0)], ...]


def bands_problem(bands: Sequence[int] | None, channels: int | None) -> str:
    """Why bands cannot be selected from files of that many channels (None: unknown), or ""."""
    bands = bands or ()
    if duplicates := sorted({band for band in bands if bands.count(band) > 1}):
        return f"the band {duplicates[0]} is there twice"
    if channels and bands and max(bands) >= channels:
        return f"there is no band {max(bands)}: images have the bands 0 to {channels - 1}"
    return ""


def range_problem(value: Any, channels: int | None) -> str:
    """What is wrong with a range for that many channels of a model (None: unknown), or ""."""
    if value == "auto":
        return ""
    pairs = value.percentile if isinstance(value, Percentile) else value
    pairs = pairs if isinstance(pairs, list) else [pairs]
    for low, high in pairs:
        if not low < high:
            return f"{low:.15g} is not below {high:.15g}"
        if max(abs(low), abs(high)) > _MAX_NUMBER or np.float32(low) == np.float32(high):
            return f"{low:.15g} to {high:.15g} is no range of 32-bit numbers"
    if isinstance(value, list) and channels and len(value) != channels:
        return f"found {len(value)} pairs for {channels} channels: write one for each, or one for all"
    return ""


def keeps_eight_bits(value: Any) -> bool:
    """Whether 8-bit images stay as they are with a range, as far as is known before it is measured."""
    pairs = value if isinstance(value, list) else [value]
    return value == "auto" or all(pair == (0, 255) for pair in pairs)


def normalize_problem(value: Normalize | None, channels: int | None) -> str:
    """What is wrong with mean and std for that many channels of a model (None: unknown), or ""."""
    if value and channels and {len(value.mean), len(value.std)} != {channels}:
        return f"mean and std need one value for each of the {channels} channels"
    return ""

"""Range of the numbers in images, measured over all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from segkit.core.types import Pixels
from segkit.data.cache.array_view import Stack, channels_of, types_of
from segkit.data.large_arrays import strips
from segkit.data.pixel_range import PixelRange
from segkit.utils.machine import usable_cores

_BYTES_AT_ONCE = 1 << 26
_SAMPLED = 1 << 22  # numbers of a channel for percentiles of floating-point numbers
_MAX_SAMPLED = 1 << 26  # of all channels
_INTEGERS = range(-(2**15), 2**16)  # int16 and uint16
_CHANNELS_AT_ONCE = 64  # histograms: 50 MB
_MAX_CLIPPED = 0.5  # of an image's pixels, in a channel
Floats = npt.NDArray[np.float64]


def measure_range(images: Stack, percentile: tuple[float, float] | None = None) -> PixelRange:
    """The smallest and largest number of each channel, or two percentiles.

    Percentiles are exact for integers; of floating-point numbers, at most 4,194,304 per channel are used,
    the same number of each image, drawn with a fixed seed. A channel whose percentiles are equal gets its
    smallest and largest number; a channel of one number gets a range that makes it 0.

    Args:
        images: (N, H, W, C), at least one; H and W may differ by row.
        percentile: percentiles that become 0 and 1, interpolated linearly.
    """
    low, high = extremes(images)
    if percentile:
        integers = all(dtype.kind in "ui" for dtype in types_of(images))
        low_p, high_p = (_of_integers if integers else _of_sample)(images, percentile)
        differ = np.float32(low_p) < np.float32(high_p)
        low, high = np.where(differ, low_p, low), np.where(differ, high_p, high)
    equal = np.float32(low) >= np.float32(high)
    high = np.where(equal, low + np.maximum(1, np.abs(low)), high)
    return PixelRange(tuple(low.tolist()), tuple(high.tolist()))


def extremes(images: Stack) -> tuple[Floats, Floats]:
    """The smallest and the largest number of each channel (C,)."""
    low, high = np.full((2, channels_of(images)), [[np.inf], [-np.inf]])
    for row_low, row_high in _of_parts(images, _row_extremes):
        low, high = np.minimum(low, row_low), np.maximum(high, row_high)
    return low, high


def clipped_images(images: Stack, pixel_range: PixelRange) -> list[int]:
    """Indices of images of which half the pixels of a channel, or more, are beyond the range."""
    low, high = np.array(pixel_range.low), np.array(pixel_range.high)

    def is_clipped(image: Pixels) -> bool:
        smallest, largest = _row_extremes(image)
        beyond = np.flatnonzero((smallest < low) | (largest > high))
        pixels = image.shape[0] * image.shape[1]
        return any(_beyond(image[..., c], low[c], high[c]) >= _MAX_CLIPPED * pixels for c in beyond)

    with ThreadPoolExecutor(usable_cores()) as pool:
        return [index for index, clipped in enumerate(pool.map(is_clipped, images)) if clipped]


def _beyond(channel: Pixels, low: float, high: float) -> int:
    parts = (channel[rows] for rows in strips(channel))
    return sum(int(np.count_nonzero((part < low) | (part > high))) for part in parts)


def _row_extremes(image: Pixels) -> tuple[Pixels, Pixels]:
    return image.min(0).min(0), image.max(0).max(0)  # 30 times as fast as over two axes at once


def _of_parts(images: Stack, function: Callable[[Pixels], Any]) -> Iterator[Any]:
    with ThreadPoolExecutor(usable_cores()) as pool:
        for parts in _blocks(images):
            yield from pool.map(function, parts)


def _blocks(images: Stack) -> Iterator[Sequence[Pixels]]:
    """Images, or strips of large ones, several at a time."""
    block: list[Pixels] = []
    for part in (image[rows] for image in images for rows in strips(image)):
        if block and sum(other.nbytes for other in block) + part.nbytes > _BYTES_AT_ONCE:
            yield block
            block = []
        block.append(part)
    if block:
        yield block


def _of_integers(images: Stack, percentile: tuple[float, float]) -> tuple[Floats, Floats]:
    pairs: list[tuple[float, ...]] = []
    channels = channels_of(images)
    for first in range(0, channels, _CHANNELS_AT_ONCE):
        last = min(first + _CHANNELS_AT_ONCE, channels)
        counts = np.zeros((last - first, len(_INTEGERS)), np.int64)
        for rows in _blocks(images):
            numbers = np.concatenate([row[..., first:last].reshape(-1, last - first) for row in rows])
            for histogram, channel in zip(counts, numbers.T, strict=True):
                found = np.bincount(channel.astype(np.int64) - _INTEGERS.start)
                histogram[: len(found)] += found
        pairs += [_percentiles(histogram, percentile) for histogram in counts]
    low, high = zip(*pairs, strict=True)
    return np.array(low), np.array(high)


def _percentiles(histogram: npt.NDArray[np.int64], percentile: tuple[float, float]) -> tuple[float, ...]:
    """As numpy's percentiles of the counted integers."""
    ends = histogram.cumsum()
    positions = np.array(percentile) / 100 * (ends[-1] - 1)
    below = np.floor(positions)
    lower = np.searchsorted(ends, below, side="right")
    upper = np.searchsorted(ends, np.minimum(below + 1, ends[-1] - 1), side="right")
    numbers = lower + (positions - below) * (upper - lower) + _INTEGERS.start
    return tuple(numbers.tolist())


def _of_sample(images: Stack, percentile: tuple[float, float]) -> tuple[Floats, Floats]:
    channels = channels_of(images)
    count = max(1, min(_SAMPLED, _MAX_SAMPLED // channels) // len(images))
    drawn: list[Pixels] = []
    for index, row in enumerate(images):
        image = row.reshape(-1, channels)
        if count < len(image):
            image = image[np.random.default_rng([0, index]).integers(len(image), size=count)]
        drawn.append(image.astype(np.float32))
    low, high = np.percentile(np.concatenate(drawn).astype(np.float64), percentile, axis=0)
    return low, high

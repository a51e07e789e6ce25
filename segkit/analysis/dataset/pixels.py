"""Types, channels and ranges of the images' numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segkit.analysis.dataset.finding import Finding
from segkit.analysis.dataset.sample_stats import SampleStats
from segkit.utils.listing import listed

_FAR = 2  # widths of the usual range
_MAX_FAR = 0.1  # fraction of the images; more are no exceptions
_MIN_IMAGES = 5


@dataclass(frozen=True)
class PixelSummary:
    """What the numbers of the images are.

    Args:
        types: images by type: uint8, uint16, int16 or float32.
        channels: images by the number of channels in the file, opacity included.
        lowest: smallest number of each channel, of images with at most 512 pixels per side.
        highest: largest numbers likewise.
    """

    types: Mapping[str, int]
    channels: Mapping[int, int]
    lowest: tuple[float, ...]
    highest: tuple[float, ...]

    def as_json(self) -> dict[str, Any]:
        """The summary as plain data."""
        return {
            "types": {**self.types},
            "channels": {str(number): count for number, count in self.channels.items()},
            "lowest": [*self.lowest],
            "highest": [*self.highest],
        }

    def __str__(self) -> str:
        """Such as "uint16, 12 channels, 3 to 4095"."""
        counts = [f"{number} channel{'s' * (number > 1)}" for number in self.channels]
        return f"{listed([*self.types])}, {listed(counts)}, {min(self.lowest):g} to {max(self.highest):g}"


def summarize_pixels(stats: Sequence[SampleStats]) -> PixelSummary | None:
    """Summary of the images that could be read; None if there are none."""
    images = [item.image for item in stats if item.image]
    if not images:
        return None
    types = Counter(image.dtype for image in images)
    headers = [(item, item.headers[0] if item.headers else None) for item in stats if item.image]
    channels = Counter(
        header.channels * header.pages if header else item.image.extremes.shape[1]
        for item, header in headers
        if item.image
    )
    colors = max(header.colors * header.pages if header else max(channels) for _, header in headers)
    count = max(image.extremes.shape[1] for image in images)
    lowest, highest = np.full(count, np.inf), np.full(count, -np.inf)
    for image in images:
        number = image.extremes.shape[1]
        np.minimum(lowest[:number], image.extremes[0], out=lowest[:number])
        np.maximum(highest[:number], image.extremes[1], out=highest[:number])
    shown = slice(None if colors >= count else colors)  # grey is read as three equal channels
    return PixelSummary(
        dict(types.most_common()),
        dict(channels.most_common()),
        tuple(lowest[shown].tolist()),
        tuple(highest[shown].tolist()),
    )


def check_pixels(stats: Sequence[SampleStats]) -> Iterator[Finding]:
    """Images of several types in one set, and images whose numbers are far from those of the others."""
    read = [(item, item.image) for item in stats if item.image]
    types = Counter(image.dtype for _, image in read)
    if len(types) > 1:
        usual = max(types, key=lambda kind: types[kind])
        files = tuple(item.file for item, image in read if image.dtype != usual)
        counts = ", ".join(f"{count:,} {kind}" for kind, count in types.most_common())
        message = f"types of numbers are mixed ({counts}), and all are read with one range"
        hint = "save all images in one type, their numbers on one scale"
        yield Finding("types", "warning", files, message, hint)
    elif "uint8" not in types and len(read) >= _MIN_IMAGES:
        yield from _check_ranges(read)


def _check_ranges(read: Sequence[tuple[SampleStats, Any]]) -> Iterator[Finding]:
    lowest = np.array([image.extremes[0].min() for _, image in read], np.float64)
    highest = np.array([image.extremes[1].max() for _, image in read], np.float64)
    low, high = float(np.median(lowest)), float(np.median(highest))
    margin = _FAR * (high - low)
    is_far = (lowest < low - margin) | (highest > high + margin)
    if 0 < is_far.sum() <= _MAX_FAR * len(read) or is_far.sum() == 1:
        files = tuple(item.file for (item, _), far in zip(read, is_far, strict=True) if far)
        found = f"{lowest[is_far].min():g} to {highest[is_far].max():g}"
        message = f"numbers from {found}, where those of most images are from {low:g} to {high:g}"
        hint = "is it damaged, or of another kind? data.range: {percentile: [0.5, 99.5]} leaves out extremes"
        yield Finding("outside", "warning", files, message, hint)

"""Checks of images: blank, rotated by EXIF, unusual mode."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from segkit.analysis.dataset.finding import Finding
from segkit.analysis.dataset.sample_stats import BLANK_SPREAD, ImageStats, SampleStats

_RARE_MODE = 0.1  # fraction of the images
_COMMON_MODES = {"L", "RGB", "P", "RGBA", "1"}
_MODE_NAMES = {
    "L": "grey",
    "1": "black and white",
    "P": "palette colours",
    "RGB": "RGB",
    "RGBA": "RGB with transparency",
    "LA": "grey with transparency",
    "CMYK": "CMYK (print colours)",
}


def check_images(stats: Sequence[SampleStats]) -> Iterator[Finding]:
    """Images that are blank, rotated by EXIF but not their mask, or stored in an unusual mode."""
    spreads = [item.image.spread for item in stats if item.image and item.image.dtype != "uint8"]
    usual = float(np.median(spreads)) if spreads else 0.0  # of numbers of other types than 8 bits
    for item in stats:
        if item.image and item.image.spread < _blank_spread(item.image, usual):
            message = "the image is blank: all of its pixels are nearly equal"
            yield Finding("blank", "warning", (item.file,), message, "remove it and its mask")
        if item.image and _may_be_rotated(item):
            yield Finding(
                "rotated",
                "warning",
                (item.file, *item.masks),
                "the image is rotated by its EXIF tag, its mask has no such tag",
                "check that the mask fits the upright image; save the image upright, without the tag",
            )
    yield from _check_modes(stats)


def _blank_spread(image: ImageStats, usual: float) -> float:
    return BLANK_SPREAD if image.dtype == "uint8" else usual * BLANK_SPREAD / 255


def _may_be_rotated(item: SampleStats) -> bool:
    """Whether the mask may be drawn on the unrotated image although the sizes agree."""
    image, *masks = item.headers or (None,)
    if image is None or image.orientation == 1:
        return False
    if any(mask and mask.orientation == image.orientation for mask in masks):
        return False
    height, width = image.stored
    return image.orientation < 5 or height == width


def _check_modes(stats: Sequence[SampleStats]) -> Iterator[Finding]:
    files_of: dict[str, list[str]] = defaultdict(list)
    for item in stats:
        if item.headers and item.headers[0]:
            files_of[_plain_mode(item.headers[0].mode)].append(item.file)
    usual = max(files_of, key=lambda mode: len(files_of[mode]), default="")
    total = sum(map(len, files_of.values()))
    for mode, files in files_of.items():
        if mode != usual and (mode not in _COMMON_MODES or len(files) < _RARE_MODE * total):
            message = f"stored as {_mode_name(mode)}, where most images are {_mode_name(usual)}"
            hint = "they are converted; check that they look right and belong here"
            yield Finding("mode", "warning", tuple(files), message, hint)


def _plain_mode(mode: str) -> str:  # types of numbers are a matter of `check_pixels`
    return "L" if mode in ("I", "F", "1 channel") or mode.startswith("I;16") else mode


def _mode_name(mode: str) -> str:
    return _MODE_NAMES.get(mode, mode)

"""Warnings about images that reach a model at another scale than its training images."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

_MAX_FACTOR = 2.0  # augmentation and different cameras often make less


def scale_warnings(trained: tuple[float, float] | None, scales: Sequence[float], images: str) -> list[str]:
    """A warning if images are scaled very differently from the training images.

    Args:
        trained: smallest and largest scale of the training images; None if it is not known.
        scales: scales of the images, as in `segkit.data.scales`.
        images: what they are, in the plural.
    """
    low, high = trained or (0.0, float("inf"))
    different = [scale for scale in scales if not low / _MAX_FACTOR <= scale <= high * _MAX_FACTOR]
    if not different:
        return []
    median = statistics.median(different)
    usual = f"{low:.2g}" if f"{low:.2g}" == f"{high:.2g}" else f"{low:.2g} to {high:.2g}"
    advice = "Masks may be wrong: predict whole images that are as large as those."
    if median < low:
        advice = "Masks are wrong if it was trained on patches: predict in tiles. They are right if it was "
        advice += "trained on such images made smaller."
    return [
        f"The model sees {len(different):,} of {len(scales):,} {images} at {median:.2g} of their size, "
        f"its training images at {usual} of theirs. {advice}"
    ]

"""Warnings about images that reach a model at another scale than its training images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import mean, median
from typing import TYPE_CHECKING

from segkit.utils.listing import agree

if TYPE_CHECKING:
    from segkit.inference.model_info import ModelInfo
    from segkit.runs.schema import Environment

_MAX_FACTOR = 2.0  # augmentation and different cameras often make less


def scale_warnings(
    trained: ModelInfo | Environment,
    scales: Sequence[float],
    density_of: Callable[[int], float] | None,
    images: str,
) -> list[str]:
    """A warning if images are scaled very differently from the training images.

    Small training images may be patches of larger ones, or copies made smaller: for those, another scale is
    right. Masks tell them apart. Whole images have more boundary per pixel of the input than patches of them.

    Args:
        trained: record of the training images.
        scales: scales of the images, as in `segkit.data.scales`.
        density_of: boundary density of an image's mask at its own size, by index; None for tiles, which show
            a part of an image at its own scale whatever the training images were.
        images: what they are, in the plural.
    """
    low, high = trained.image_scales or (0.0, math.inf)
    different = [i for i, scale in enumerate(scales) if not low / _MAX_FACTOR <= scale <= high * _MAX_FACTOR]
    if not different:
        return []
    typical = median(scales[i] for i in different)
    clue = ""
    if density_of:
        density = mean(density_of(i) / scales[i] for i in different)
        ratio = density / (trained.boundary_density or math.nan)
        if not (ratio > _MAX_FACTOR if typical < low else 0 < ratio < 1 / _MAX_FACTOR):
            return []
        clue = f", and masks have {ratio:.2g} times as much boundary"
    usual = f"{low:.2g}" if f"{low:.2g}" == f"{high:.2g}" else f"{low:.2g} to {high:.2g}"
    if typical < low:
        advice = "if it was trained on patches, predict in tiles"
    elif density_of:
        advice = "predict whole images that are as large as those"
    else:
        advice = "if it was trained on whole images, predict without tiles"
    are, their = agree(len(different), "is", "are"), agree(len(different), "its", "their")
    return [
        f"{len(different):,} of {len(scales):,} {images} {are} scaled to {typical:.2g} of {their} size for "
        f"the model, its training images to {usual} of theirs{clue}. Masks may be wrong: {advice}."
    ]

"""Scales at which images reach a model: pixels of its input per pixel of the image, along one side."""

from __future__ import annotations

import math
from collections.abc import Sequence

from segkit.core.errors import DataError
from segkit.core.types import Sample
from segkit.data.images import Extent, opened

_MAX_IMAGES = 16


def scale(size: Extent, extent: Extent) -> float:
    """Scale of an image of `extent` that is resized to `size`; the mean of both sides."""
    return math.sqrt(size[0] * size[1] / (extent[0] * extent[1]))


def sampled_scales(samples: Sequence[Sample], size: Extent) -> list[float]:
    """Scales of at most 16 samples that are resized to `size`; those that cannot be read are left out."""
    extents = map(_extent, samples[:: math.ceil(len(samples) / _MAX_IMAGES) or 1])
    return [scale(size, extent) for extent in extents if extent]


def _extent(sample: Sample) -> Extent | None:
    try:
        if sample.files and sample.variant == "":  # the sample is the whole file
            with opened(sample.files[0]) as image:  # not upright: the scale is the same
                return image.height, image.width
    except DataError:
        pass  # a plugin's source may read other formats
    try:
        height, width = sample.read()[0].shape[:2]
    except Exception:  # of a plugin's source; reported where the images are needed
        return None
    return height, width

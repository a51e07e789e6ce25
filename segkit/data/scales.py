"""Scales at which images reach a model: pixels of its input per pixel of the image, along one side."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from segkit.core.errors import DataError
from segkit.core.types import Pixels, Sample
from segkit.data.fit import Fit
from segkit.data.images import MAX_PIXELS, extent_in_header
from segkit.data.readers.open import open_file
from segkit.data.readers.raster import Extent

_MAX_IMAGES = 16
_MAX_LINES = 1024  # of a mask


def scale(fit: Fit, extent: Extent) -> float:
    """Scale of an image of `extent` that is fitted to a model; the mean of both sides."""
    height, width = fit.content(extent)
    return math.sqrt(height * width / (extent[0] * extent[1]))


def some_samples(samples: Sequence[Sample]) -> Sequence[Sample]:
    """At most 16 of the samples."""
    return samples[:: math.ceil(len(samples) / _MAX_IMAGES) or 1]


def sampled_scales(samples: Sequence[Sample], fit: Fit) -> list[tuple[Sample, float]]:
    """At most 16 samples with their scales; those that cannot be read are left out."""
    extents = ((sample, _extent(sample)) for sample in some_samples(samples))
    return [(sample, scale(fit, extent)) for sample, extent in extents if extent]


def boundary_density(mask: Pixels) -> float:
    """Share of neighbouring pixels of a mask (H, W) or (H, W, K) that differ, in at most 1024 lines each way.

    A mask of twice the width and height has half of it.
    """
    rows = mask[:: 1 + len(mask) // _MAX_LINES]
    columns = mask[:, :: 1 + mask.shape[1] // _MAX_LINES]
    changes = (rows[:, 1:] != rows[:, :-1], columns[1:] != columns[:-1])
    different = sum(int(np.count_nonzero(change)) for change in changes)
    total = sum(int(change.size) for change in changes)
    return different / max(1, total)


def _extent(sample: Sample) -> Extent | None:
    try:
        if sample.files and sample.variant == "":  # the sample is the whole file
            if extent := extent_in_header(sample.files[0]):
                return extent
            with open_file(sample.files[0], MAX_PIXELS) as file:  # a PNG's header would be decoded
                return file.stored  # hardly any PNG has an orientation
    except DataError:
        pass  # a plugin's source may read other formats
    try:
        height, width = sample.read()[0].shape[:2]
    except Exception:  # of a plugin's source; reported where the images are needed
        return None
    return height, width

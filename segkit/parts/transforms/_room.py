"""How large an image a transform of albumentations needs, so that it fills a size without a border.

Distances are read from the ranges of a built transform. Most are bounds; displacements that are drawn from a
normal distribution have none, and are taken as five standard deviations. `ThinPlateSpline` gets no room: it
moves pixels by more than the side of an image.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt

from segkit.data.windows import Extent

Sides = npt.NDArray[np.float64]  # [width, height]

_MAX_FACTOR = 8  # on a side: a transform may shrink images to nothing
_ANGLES = 181  # of a range; the extent between two neighbours differs by less than a pixel in a hundred
_DEVIATIONS = 5


def room(transform: Any, extent: Extent) -> Extent | None:
    """(height, width) of the image that a transform needs, to fill the central `extent` with its pixels.

    Args:
        transform: transform of albumentations, built.
        extent: (height, width).

    Returns:
        None if the transform gives images of a fixed size.
    """
    name = type(transform).__name__
    if name in _FIXED_SIZE:
        return None
    if name not in _ROOM:
        return extent
    height, width = extent
    needed: Sides = _ROOM[name](transform, np.array([width, height], np.float64))
    across, down = (
        min(math.ceil(side) + 2, _MAX_FACTOR * least) if side > least else least
        for side, least in zip(needed.tolist(), (width, height), strict=True)
    )
    return down, across


def _affine(transform: Any, sides: Sides) -> Sides:
    """Bounding box of the inverse of ``translate @ shear @ rotate @ scale``."""
    if transform.fit_output:
        return sides  # refused: it changes the size
    scale = np.array([1 / max(transform.scale[axis][0], 1e-9) for axis in "xy"])
    shears = [[*transform.shear[axis], 0.0] for axis in "xy"]
    shift, share = np.zeros(2), np.zeros(2)
    if transform.translate_px is not None:
        shift = np.array([_largest(transform.translate_px[axis]) for axis in "xy"])
    elif transform.translate_percent is not None:
        share = np.array([_largest(transform.translate_percent[axis]) for axis in "xy"])
    inverses = [
        np.abs(np.diag(scale) @ _turn(-angle) @ _inverse_shear(across, down))
        for angle in _angles(*transform.rotate)
        for across in shears[0]
        for down in shears[1]
    ]
    needed = sides
    for _ in range(50):  # a share of the larger image, whose size it determines
        reach = sides + 2 * shift + 2 * share * needed
        larger = np.max([inverse @ reach for inverse in inverses], axis=0)
        if (larger - needed < 0.5).all() or (needed > _MAX_FACTOR * sides).any():
            break
        needed = np.maximum(larger, needed)
    return needed


def _rotate(transform: Any, sides: Sides) -> Sides:
    turned: Sides = np.max([np.abs(_turn(angle)) @ sides for angle in _angles(*transform.limit)], axis=0)
    return turned


def _safe_rotate(transform: Any, sides: Sides) -> Sides:
    """The rotated image is shrunk into its own frame."""
    turns = [np.abs(_turn(angle)) for angle in _angles(*transform.limit)]
    factor = np.max([turn @ (turn @ sides) / sides for turn in turns])
    enlarged: Sides = factor * sides
    return enlarged


def _elastic(transform: Any, sides: Sides) -> Sides:
    """Noise in -1..1, blurred, times alpha; near a border, the blur is of its last pixel."""
    noise = 0.35 if transform.noise_distribution == "gaussian" else 0.58  # standard deviation
    most, sigma = abs(transform.alpha), max(transform.sigma, 0.3)

    def displacement(margin: float) -> float:
        if transform.approximate:  # a kernel of 17 pixels
            blurred = max(0.282 / sigma, 1 / 17)
        else:
            blurred = 0.282 / sigma + (math.erfc(margin / sigma / math.sqrt(2)) / 2) ** 2
        return float(most * min(1, _DEVIATIONS * noise * blurred))

    margin = next(pixels for pixels in count() if pixels >= displacement(pixels))
    return sides + 2 * margin


def _grid(transform: Any, sides: Sides) -> Sides:
    """Cells that are not normalised may add up to more than the image; pixels behind the last one are cut."""
    most = 0.0 if transform.normalized else max(0.0, transform.distort_limit[1])
    cells = float(transform.num_steps)
    needed: Sides = (sides * (1 + most) + 2 * cells) / max(1 - most, 1e-9)
    return needed


def _optical(transform: Any, sides: Sides) -> Sides:
    """``1 + k r^2 + k r^4`` with r^2 up to 1/2; ``1 + k`` in the corners of a fisheye."""
    reach = 0.75 if transform.mode == "camera" else 1
    needed: Sides = sides * (1 + reach * max(0, *transform.distort_limit))
    return needed


def _perspective(transform: Any, sides: Sides) -> Sides:
    if not transform.fit_output:  # corners move inwards
        return sides + 2
    inset = min(0.32, _DEVIATIONS * max(transform.scale))  # folded at 0.32
    needed: Sides = sides / (1 - 2 * inset)
    return needed


def _crop_and_pad(transform: Any, sides: Sides) -> Sides:
    """Padded by up to p on one side, and shrunk to the size from before."""
    if transform.px is not None:
        return sides + 2 * max(0, *_numbers(transform.px))
    share = max(0, *_numbers(transform.percent))
    return sides * (1 + share) / max(1 - share, 1e-9)


_FIXED_SIZE = ("RandomResizedCrop", "RandomSizedCrop")
_ROOM: Mapping[str, Callable[[Any, Sides], Sides]] = {
    "Affine": _affine,
    "CropAndPad": _crop_and_pad,
    "ElasticTransform": _elastic,
    "GridDistortion": _grid,
    "OpticalDistortion": _optical,
    "Perspective": _perspective,
    "Rotate": _rotate,
    "SafeRotate": _safe_rotate,
    "ShiftScaleRotate": _affine,
}


def _angles(low: float, high: float) -> list[float]:
    angles: list[float] = np.linspace(low, high, _ANGLES).tolist()
    return angles


def _turn(degrees: float) -> Sides:
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[cos, sin], [-sin, cos]])


def _inverse_shear(across: float, down: float) -> Sides:
    tangents = math.tan(math.radians(-across)), math.tan(math.radians(-down))
    inverse: Sides = np.linalg.inv(np.array([[1, tangents[0]], [tangents[1], 1]]))
    return inverse


def _largest(limits: tuple[float, float]) -> float:
    return max(map(abs, limits))


def _numbers(value: Any) -> list[float]:
    return (
        [number for item in value for number in _numbers(item)]
        if isinstance(value, (list, tuple))
        else [value]
    )

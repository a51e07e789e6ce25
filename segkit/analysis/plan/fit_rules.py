"""Rules for how images come to the model: whole or in windows, at which size. docs/plan.md explains them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median

import numpy as np

from segkit.analysis.dataset.image_size import MAX_SIDE, MULTIPLE, size_of_shape, to_multiple
from segkit.data.fit import Fit
from segkit.data.readers.raster import Extent

MIN_CEILING = 0.99  # Dice, so that the size alone costs no more than a hundredth
MIN_SIDE = 256  # pixels, unless images are smaller; pretrained encoders have seen 224
SIDE_STEP = 64  # pixels between sizes of whole images
SCALES = (0.125, 0.25, 0.5, 1.0)  # of windows
MAX_DISTORTION = 1.25  # of the aspect ratio by stretch
DISTORTED = 0.1  # share of the images that may be distorted more
FITTING = 0.9  # share of the objects that fit into a window
OVERLAP = 0.25  # of windows in scoring


def candidates(extents: Sequence[Extent]) -> list[Fit]:
    """Fits whose ceilings are measured, the cheapest first: whole images, then windows.

    Args:
        extents: (height, width) of the images.
    """
    longest = median(max(extent) for extent in extents)
    top = min(MAX_SIDE, MULTIPLE * math.ceil(longest / MULTIPLE))
    sides = [*range(min(MIN_SIDE, top), top, SIDE_STEP), top]
    if _distortion(extents) > MAX_DISTORTION:
        whole = [Fit("letterbox", (side, side)) for side in sides]
    else:
        whole = [Fit("stretch", size_of_shape(_usual_ratio(extents), side)) for side in sides]
    # A whole image at the largest size has as many pixels as an image at a scale that makes it no larger.
    scales = [scale for scale in SCALES if scale == 1 or longest * scale > MAX_SIDE]
    return [*whole, *(Fit("crop", (MIN_SIDE, MIN_SIDE), scale, OVERLAP) for scale in scales)]


def choose_fit(
    ceilings: Mapping[Fit, float], extents: Sequence[Extent], objects: Sequence[int]
) -> tuple[Fit, dict[str, str]]:
    """The first fit of a sufficient ceiling; windows of it as large as most objects. With reasons by key.

    Args:
        ceilings: best possible Dice by fit, of `candidates`, in their order.
        extents: (height, width) of the images.
        objects: longer side of each object.
    """
    fits = [*ceilings]
    fit = next((fit for fit in fits if ceilings[fit] >= MIN_CEILING), fits[-1])
    smaller = [other for other in fits[: fits.index(fit)] if other.kind == fit.kind]
    reached = f"a perfect model would reach Dice {ceilings[fit]:.3f}"
    if fit.kind != "crop":
        beside = f", at {_in_words(smaller[-1])} {ceilings[smaller[-1]]:.3f}" if smaller else ""
        return fit, {"fit": _why_whole(fit, extents), "size": f"height, width; {reached}{beside}"}
    largest = next(other for other in reversed(fits) if other.kind != "crop")
    reasons = {
        "fit": f"windows: through whole images of {_in_words(largest)} pixels a perfect model would reach "
        f"Dice {ceilings[largest]:.3f}, less than {MIN_CEILING}",
        "scale": reached if fit.scale < 1 else "the images' own resolution",
    }
    if smaller:
        last = smaller[-1]
        reasons["scale"] += f"; at {last.scale:g} a perfect model would reach Dice {ceilings[last]:.3f}"
    fit, reasons["size"] = _with_window(fit, extents, objects)
    return fit, reasons


def _usual_ratio(extents: Sequence[Extent]) -> float:
    return float(median(height / width for height, width in extents))


def _distortion(extents: Sequence[Extent]) -> float:
    """Factor by which stretch changes the aspect ratio of nine tenths of the images at most."""
    ratios = [height / width / _usual_ratio(extents) for height, width in extents]
    return float(np.quantile([max(ratio, 1 / ratio) for ratio in ratios], 1 - DISTORTED))


def _why_whole(fit: Fit, extents: Sequence[Extent]) -> str:
    distortion = _distortion(extents)
    if fit.kind == "letterbox":
        return (
            f"stretch would change the aspect ratio of a tenth of the images {distortion:.2f}-fold at least"
        )
    if distortion < 1.005:
        return "nine tenths of the images, or all, have one aspect ratio"
    return f"changes the aspect ratio of nine tenths of the images {distortion:.2f}-fold at most"


def _with_window(fit: Fit, extents: Sequence[Extent], objects: Sequence[int]) -> tuple[Fit, str]:
    usual = [median(sides) for sides in zip(*map(fit.content, extents), strict=True)]
    longest = float(np.quantile(objects, FITTING)) * fit.scale if objects else 0.0
    wanted = int(np.clip(MULTIPLE * math.ceil(longest / MULTIPLE), MIN_SIDE, MAX_SIDE))
    height, width = (min(wanted, to_multiple(side)) for side in usual)
    scaled = f" at scale {fit.scale:g}" if fit.scale != 1 else ""
    limits = f"at most {MAX_SIDE}" if longest > MAX_SIDE else f"{MIN_SIDE} to {MAX_SIDE}"
    why = (
        f"height, width of windows: {FITTING:.0%} of the objects are at most {longest:.0f} pixels "
        f"long{scaled}; windows are {limits} pixels, or as the images"
    )
    return replace(fit, size=(height, width)), why


def _in_words(fit: Fit) -> str:
    return f"{fit.size[1]}x{fit.size[0]}"

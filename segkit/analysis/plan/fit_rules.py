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
MIN_SIDE = 256  # pixels, unless images are smaller or time is short; pretrained encoders have seen 224
SHORT_SIDE = 128  # pixels, where time is short
SIDE_STEP = 64  # pixels between sizes of whole images
SCALES = (0.125, 0.25, 0.5, 1.0)  # of windows
MAX_DISTORTION = 1.25  # of the aspect ratio by stretch
EXCEPTIONS = 0.1  # share of the images that may be distorted more, or made smaller
NARROW = 64  # pixels; narrower structures need no more than a window
WINDOW_WIDTHS = 8  # widths of structures in a window
MIN_KEPT = 0.9  # of the sides of nine tenths of the images, where structures are narrow and images are whole
OVERLAP = 0.25  # of windows in scoring


def candidates(extents: Sequence[Extent]) -> list[Fit]:
    """Fits whose ceilings are measured, the cheapest first: whole images, then windows.

    Args:
        extents: (height, width) of the images.
    """
    longest = median(max(extent) for extent in extents)
    top = min(MAX_SIDE, MULTIPLE * math.ceil(longest / MULTIPLE))
    sides = [*range(min(SHORT_SIDE, top), top, SIDE_STEP), top]
    if _distortion(extents) > MAX_DISTORTION:
        whole = [Fit("letterbox", (side, side)) for side in sides]
    else:
        whole = [Fit("stretch", size_of_shape(_usual_ratio(extents), side)) for side in sides]
    # A whole image at the largest size has as many pixels as an image at a scale that makes it no larger.
    scales = [scale for scale in SCALES if scale == 1 or longest * scale > MAX_SIDE]
    return [*whole, *(Fit("crop", (MIN_SIDE, MIN_SIDE), scale, OVERLAP) for scale in scales)]


def choose_fit(
    ceilings: Mapping[Fit, float],
    extents: Sequence[Extent],
    structure_width: float,
    image_pixels: tuple[float, float] = (0, math.inf),
) -> tuple[Fit, dict[str, str]]:
    """Whole images or windows, and their size. With reasons by key.

    Args:
        ceilings: best possible Dice by fit, of `candidates`, in their order.
        extents: (height, width) of the images.
        structure_width: pixels.
        image_pixels: of a whole image, as `pixels_of_images` tells: for many epochs, and for enough.
    """
    whole = [fit for fit in ceilings if fit.kind != "crop"]
    usual = [fit for fit in whole if max(fit.size) >= MIN_SIDE] or whole[-1:]
    if structure_width <= NARROW:
        usual = [fit for fit in usual if not _shrinks(fit, extents)]
    fit, why = next((fit for fit in usual if ceilings[fit] >= MIN_CEILING), None), ""
    if fit is None:
        windows = _windows(ceilings, extents, structure_width)
        if structure_width * windows.scale <= NARROW:
            return windows, _why_windows(windows, ceilings, structure_width)
        fit = whole[-1]
        why = f"; the largest: structures are about {structure_width:.0f} pixels wide, too wide for windows"
    for_many, for_enough = image_pixels
    larger = [other for other in whole[whole.index(fit) + 1 :] if math.prod(other.size) <= for_many]
    if larger:
        fit, why = larger[-1], "; of so few images larger ones take no more time"
    if math.prod(fit.size) > for_enough:
        why = f"; at {_in_words(fit)} the time would be too short"
        fit = next((fit for fit in reversed(whole) if math.prod(fit.size) <= for_enough), whole[0])
    reasons = _why_whole(fit, ceilings, extents)
    return fit, {**reasons, "size": reasons["size"] + why}


def _shrinks(fit: Fit, extents: Sequence[Extent]) -> bool:
    kept = [min(np.divide(fit.content(extent), extent)) for extent in extents]
    return float(np.quantile(kept, EXCEPTIONS)) < MIN_KEPT


def _windows(ceilings: Mapping[Fit, float], extents: Sequence[Extent], structure_width: float) -> Fit:
    scaled = [fit for fit in ceilings if fit.kind == "crop"]
    if structure_width <= NARROW:
        fit = scaled[-1]
    else:
        fit = next(fit for fit in scaled if ceilings[fit] >= MIN_CEILING)
    wanted = WINDOW_WIDTHS * structure_width * fit.scale
    side = int(np.clip(MULTIPLE * math.ceil(wanted / MULTIPLE), MIN_SIDE, MAX_SIDE))
    usual = [median(sides) for sides in zip(*map(fit.content, extents), strict=True)]
    height, width = (min(side, to_multiple(usual_side)) for usual_side in usual)
    return replace(fit, size=(height, width))


def _usual_ratio(extents: Sequence[Extent]) -> float:
    return float(median(height / width for height, width in extents))


def _distortion(extents: Sequence[Extent]) -> float:
    """Factor by which stretch changes the aspect ratio of nine tenths of the images at most."""
    ratios = [height / width / _usual_ratio(extents) for height, width in extents]
    return float(np.quantile([max(ratio, 1 / ratio) for ratio in ratios], 1 - EXCEPTIONS))


def _why_whole(fit: Fit, ceilings: Mapping[Fit, float], extents: Sequence[Extent]) -> dict[str, str]:
    size = f"height, width; a perfect model would reach Dice {ceilings[fit]:.3f}"
    smaller = [*ceilings][: [*ceilings].index(fit)]
    if smaller:
        size += f", at {_in_words(smaller[-1])} {ceilings[smaller[-1]]:.3f}"
    distortion = _distortion(extents)
    changed = f"the aspect ratio of {{}} of the images {distortion:.2f}-fold at"
    if fit.kind == "letterbox":
        return {"fit": f"stretch would change {changed.format('a tenth')} least", "size": size}
    if distortion < 1.005:
        return {"fit": "nine tenths of the images, or all, have one aspect ratio", "size": size}
    return {"fit": f"changes {changed.format('nine tenths')} most", "size": size}


def _why_windows(fit: Fit, ceilings: Mapping[Fit, float], structure_width: float) -> dict[str, str]:
    largest = [other for other in ceilings if other.kind != "crop"][-1]
    if structure_width <= NARROW:
        why = f"structures are about {structure_width:.0f} pixels wide; whole images would be made smaller"
    else:
        why = (
            f"through whole images of {_in_words(largest)} pixels a perfect model would reach "
            f"Dice {ceilings[largest]:.3f}, less than {MIN_CEILING}"
        )
    dice = {other.scale: dice for other, dice in ceilings.items() if other.kind == "crop"}
    scale = "the images' own resolution"
    if fit.scale < 1:
        scale = f"a perfect model would reach Dice {dice[fit.scale]:.3f}"
    if smaller := [other for other in dice if other < fit.scale]:
        scale += f"; at {smaller[-1]:g} a perfect model would reach Dice {dice[smaller[-1]]:.3f}"
    width = structure_width * fit.scale
    size = (
        f"height, width of windows: {WINDOW_WIDTHS} times the width of structures, {width:.0f} pixels, is "
        f"{WINDOW_WIDTHS * width:.0f}; windows are {MIN_SIDE} to {MAX_SIDE} pixels, or as the images"
    )
    return {"fit": f"windows: {why}", "scale": scale, "size": size}


def _in_words(fit: Fit) -> str:
    return f"{fit.size[1]}x{fit.size[0]}"

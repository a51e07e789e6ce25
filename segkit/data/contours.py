"""Contours of masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from segkit.data.palette import IGNORED

if TYPE_CHECKING:
    from segkit.core.types import Pixels


def contour(mask: Pixels, thickness: int = 1) -> npt.NDArray[np.bool_]:
    """Pixels of classes, without background and ignored ones, within `thickness` of another value."""
    edge = np.zeros(mask.shape, bool)
    for value in np.unique(mask):
        if value not in (0, IGNORED):
            inside = mask == value
            edge |= inside & ~neighbours(inside, thickness, np.logical_and)
    return edge


def neighbours(mask: npt.NDArray[np.bool_], radius: int, join: np.ufunc) -> npt.NDArray[np.bool_]:
    """Whether all (`np.logical_and`) or any (`np.logical_or`) pixels in a diamond around a pixel are set."""
    for _ in range(radius):
        padded = np.pad(mask, 1, mode="edge")
        shifts = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
        for shift in shifts:
            mask = join(mask, shift)
    return mask

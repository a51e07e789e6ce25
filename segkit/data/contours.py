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
    from scipy.ndimage import binary_erosion  # 0.2 s, which only overlays need

    edge = np.zeros(mask.shape, bool)
    for value in np.unique(mask):
        if value not in (0, IGNORED):
            inside = mask == value
            edge |= inside & ~binary_erosion(inside, iterations=thickness, border_value=1)
    return edge

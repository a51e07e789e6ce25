"""Areas of a mask, and what lies inside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def core(inside: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """(H, W): the pixels that are set with all four neighbours; beyond the border nothing is."""
    padded = np.pad(inside.astype(bool), 1)
    vertical = padded[:-2, 1:-1] & padded[2:, 1:-1]
    horizontal = padded[1:-1, :-2] & padded[1:-1, 2:]
    deep: npt.NDArray[np.bool_] = padded[1:-1, 1:-1] & vertical & horizontal
    return deep

"""Masks from probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from segkit.core.types import Pixels, Task
    from segkit.inference.network import Probabilities


def mask_of(probabilities: Probabilities, task: Task) -> Pixels:
    """The most probable class of every pixel; for binary and multilabel tasks, whether it is above 0.5.

    Shape:
        probabilities: (K, H, W).
        output: (H, W) uint8, or (H, W, K) for multilabel.
    """
    if task.kind == "multiclass":
        best: Pixels = probabilities.argmax(axis=0).astype(np.uint8)
        return best
    above: Pixels = (probabilities > 0.5).astype(np.uint8)
    return above[0] if task.kind == "binary" else np.ascontiguousarray(np.moveaxis(above, 0, -1))

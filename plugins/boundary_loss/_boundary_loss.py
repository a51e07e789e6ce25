"""The computation behind `boundary_loss`."""

from __future__ import annotations

from math import hypot
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from segkit import Task
from segkit.parts.losses._inputs import LossInputs, as_loss, weighted_mean

if TYPE_CHECKING:
    from segkit.core.types import Loss

Mask = npt.NDArray[np.bool_]
Distances = npt.NDArray[np.float64]


def boundary_loss_of(task: Task) -> Loss:
    """(logits, target) -> the mean of probability * signed distance."""

    def compute(inputs: LossInputs) -> Tensor:
        return weighted_mean(inputs.probabilities * distance_maps(inputs), inputs.valid)

    return as_loss(task, compute)


def distance_maps(inputs: LossInputs) -> Tensor:
    """For each image and class the signed distances in image diagonals, (B, K, H, W)."""
    inside = inputs.truth.bool().cpu().numpy()
    outside = inputs.valid.bool().cpu().numpy() & ~inside
    height, width = inside.shape[-2:]
    maps = np.zeros(inside.shape)
    for index in np.ndindex(inside.shape[:2]):
        maps[index] = signed_distance(inside[index], outside[index]) / hypot(height, width)
    return torch.from_numpy(maps).to(inputs.logits)


def signed_distance(inside: Mask, outside: Mask) -> Distances:
    """Distances of pixels from the contour in pixels: negative inside, positive outside.

    The contour runs between the pixels, half a pixel from either side. A pixel that is neither inside nor
    outside is ignored: its distance is 0, and no other pixel's is measured to it.

    Args:
        inside: the pixels of the class, (H, W).
        outside: those that are known not to be of it, (H, W).

    Returns:
        (H, W); zeros if there is no contour, because nothing is inside, or nothing outside.
    """
    if not inside.any() or not outside.any():
        return np.zeros(inside.shape)
    # distance_transform_edt gives the distance to the nearest pixel that is False.
    beyond = distance_transform_edt(~inside) - 0.5
    within = distance_transform_edt(~outside) - 0.5
    distances: Distances = beyond * outside - within * inside
    return distances

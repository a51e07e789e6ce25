"""Boundary metrics on the CPU: computation; definitions in docs/metrics.md."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import binary_erosion, minimum_filter1d
from scipy.spatial import cKDTree
from torch import Tensor

from segkit.core.types import Task
from segkit.parts.metrics._confusion import Masks, decision
from segkit.parts.metrics._reduction import Rows, mean_of_classes, ratio

Array = npt.NDArray[np.bool_]
Points = npt.NDArray[np.intp]


def boundary_iou_rows(task: Task, dilation: float, threshold: float, classes: tuple[str, ...] | None) -> Rows:
    """IoU of the bands inside the contours of each image, (B, 1)."""
    decide = decision(task, threshold, classes)

    def per_image(logits: Tensor, target: Tensor) -> Tensor:
        width = max(1, round(dilation * math.hypot(*logits.shape[-2:])))
        prediction, truth, known = _arrays(decide(logits, target))
        bands = [inner_band(mask, known, width) for mask in (prediction, truth)]
        counts = Masks(*map(torch.from_numpy, (*bands, known))).count()
        values = ratio(counts.tp, counts.union, empty=1)
        return mean_of_classes(task, values, present=counts.union > 0, known=counts.pixels > 0)

    return per_image


def hd95_rows(task: Task, threshold: float, classes: tuple[str, ...] | None) -> Rows:
    """95th percentile of the Hausdorff distance of each image in pixels, (B, 1)."""
    decide = decision(task, threshold, classes)

    def per_image(logits: Tensor, target: Tensor) -> Tensor:
        prediction, truth, known = _arrays(decide(logits, target))
        contours = contour(prediction, known), contour(truth, known)
        diagonal = math.hypot(*logits.shape[-2:])
        values = torch.tensor(
            [
                [hausdorff_95(a, b, empty=diagonal) for a, b in zip(*image, strict=True)]
                for image in zip(*contours, strict=True)
            ],
            dtype=torch.float64,
        )
        present = torch.from_numpy((contours[0] | contours[1]).any(axis=(2, 3)))
        return mean_of_classes(task, values, present=present, known=torch.from_numpy(known.any(axis=(2, 3))))

    return per_image


def inner_band(mask: Array, known: Array, width: int) -> Array:
    """Pixels of each mask (B, K, H, W) at most `width` (chessboard distance) from its outside.

    Everything beyond the image is outside; ignored pixels are not, as a contour there is unknown.
    """
    inside = (mask | ~known).astype(np.uint8)
    for axis in (-2, -1):
        inside = minimum_filter1d(inside, 2 * width + 1, axis=axis, mode="constant", cval=0)
    band: Array = mask & (inside == 0)
    return band


def contour(mask: Array, known: Array) -> Array:
    """Pixels of each mask (B, K, H, W) that share an edge with its outside, as for `inner_band`."""
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], dtype=bool)[None, None]
    inside: Array = binary_erosion(mask | ~known, structure=cross)
    return mask & ~inside


def hausdorff_95(contour: Array, other: Array, *, empty: float) -> float:
    """Larger directed 95th percentile between contours (H, W), in pixels; 0 if both are empty."""
    points, others = np.argwhere(contour), np.argwhere(other)
    if not len(points) or not len(others):
        return empty if len(points) or len(others) else 0.0
    return float(max(np.percentile(distances, 95) for distances in directed_distances(points, others)))


def directed_distances(points: Points, others: Points) -> tuple[npt.NDArray[np.float64], ...]:
    """Distances from each point (N, 2) to the nearest of the others (M, 2), and the reverse."""
    # Faster than a distance map: contour points are far fewer than pixels.
    return cKDTree(others).query(points)[0], cKDTree(points).query(others)[0]


def _arrays(masks: Masks) -> tuple[Array, Array, Array]:
    prediction, truth, known = (mask.cpu().numpy() for mask in (masks.prediction, masks.truth, masks.known))
    return prediction, truth, known

"""Score that a perfect model reaches at a smaller size: what is lost between the sizes and nowhere else."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from segkit.core.types import Pixels, Task
from segkit.data.readers.raster import Extent
from segkit.data.resize import class_shares, row_chunks

Scores = npt.NDArray[np.float64]


def class_planes(mask: Pixels, task: Task) -> npt.NDArray[np.bool_]:
    """Where each class of a task's logits is, (K, H, W), in a mask (H, W), or (H, W, K) for multilabel."""
    if task.kind == "multilabel":
        return np.ascontiguousarray(mask.transpose(2, 0, 1) == 1)
    labels = [1] if task.kind == "binary" else range(len(task.classes))
    return np.stack([mask == label for label in labels])


def dice_ceiling(mask: Pixels, content: Extent, task: Task) -> Scores:
    """Dice at the mask's own size of a model that knows the true share of each class in each pixel it sees.

    These shares are resized to the mask's size bilinearly, as a model's probabilities are, and compared with
    the mask.

    Args:
        mask: mask (H, W), or (H, W, K) for multilabel.
        content: size (height, width) at which the model sees the image.
        task: kind of masks, classes and ignored value.

    Returns:
        A score for each class of the task's logits; NaN for classes that the mask does not show.
    """
    planes = class_planes(mask, task)
    present = np.flatnonzero(planes.any(axis=(1, 2)))
    scores = np.full(len(planes), np.nan)
    if not len(present):
        return scores
    true = planes[present]
    found, both, top = np.zeros(len(present)), np.zeros(len(present)), 0
    for shares in row_chunks(class_shares(true, content), (mask.shape[0], mask.shape[1])):
        rows = slice(top, top + shares.shape[1])
        predicted = _predicted(shares, task)
        if task.ignore_index is not None:
            known = mask[rows] != task.ignore_index
            predicted &= known if known.ndim == 2 else known.transpose(2, 0, 1)[present]
        found += predicted.sum(axis=(1, 2))
        both += (predicted & true[:, rows]).sum(axis=(1, 2))
        top = rows.stop
    scores[present] = 2 * both / (found + true.sum(axis=(1, 2)))
    return scores


def _predicted(shares: npt.NDArray[np.float32], task: Task) -> npt.NDArray[np.bool_]:
    if task.kind != "multiclass":
        return shares > 0.5
    best: npt.NDArray[np.bool_] = shares.argmax(axis=0) == np.arange(len(shares))[:, None, None]
    return best

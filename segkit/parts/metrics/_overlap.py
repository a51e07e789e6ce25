"""Overlap metrics: computation; definitions in docs/metrics.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from segkit.core.types import Task
from segkit.parts.metrics._confusion import Counts, chosen_classes, decision, truth_of
from segkit.parts.metrics._reduction import Rows, mean_of_classes, mean_of_defined, ratio


def iou_rows(task: Task, threshold: float, classes: tuple[str, ...] | None) -> Rows:
    """IoU of each image, (B, 1)."""
    return _overlap_rows(task, threshold, classes, lambda counts: (counts.tp, counts.union))


def dice_rows(task: Task, threshold: float, classes: tuple[str, ...] | None) -> Rows:
    """Dice of each image, (B, 1)."""
    return _overlap_rows(task, threshold, classes, lambda counts: (2 * counts.tp, counts.tp + counts.union))


def _overlap_rows(
    task: Task,
    threshold: float,
    classes: tuple[str, ...] | None,
    fraction: Callable[[Counts], tuple[Tensor, Tensor]],
) -> Rows:
    decide = decision(task, threshold, classes)

    def per_image(logits: Tensor, target: Tensor) -> Tensor:
        counts = decide(logits, target).count()
        values = ratio(*fraction(counts), empty=1)
        return mean_of_classes(task, values, present=counts.union > 0, known=counts.pixels > 0)

    return per_image


def cut_off(per_image: Rows, cutoff: float) -> Rows:
    """The same rows, with 0 for values below the cutoff."""

    def cut(logits: Tensor, target: Tensor) -> Tensor:
        values = per_image(logits, target)
        return torch.where(values < cutoff, 0.0, values)

    return cut


def dataset_rows(task: Task, threshold: float, classes: tuple[str, ...] | None) -> Rows:
    """Intersections, then unions, of each image: (B, 2 K); NaN if no pixel is known."""
    decide = decision(task, threshold, classes)

    def per_image(logits: Tensor, target: Tensor) -> Tensor:
        counts = decide(logits, target).count()
        parts = [part.double().where(counts.pixels > 0, torch.nan) for part in (counts.tp, counts.union)]
        return torch.cat(parts, dim=1)

    return per_image


def dataset_iou(task: Task) -> Callable[[Tensor], float]:
    """Rows of `dataset_rows`, (N, 2 K) -> IoU over all images."""

    def score(per_image: Tensor) -> float:
        intersection, union = per_image.nansum(0, keepdim=True).chunk(2, dim=1)
        known = ~per_image.isnan().all(0, keepdim=True).chunk(2, dim=1)[0]
        values = ratio(intersection, union, empty=1)
        return float(mean_of_classes(task, values, present=union > 0, known=known))

    return score


def mean_iou(per_image: Tensor) -> float:
    """Rows of `dataset_rows`, (N, 2 K) -> mean IoU of the classes that are in any mask; NaN if none is."""
    intersection, union = per_image.nansum(0, keepdim=True).chunk(2, dim=1)
    return float(mean_of_defined(ratio(intersection, union)))


def soft_rows(task: Task, kind: Literal["iou", "dice"], classes: tuple[str, ...] | None) -> Rows:
    """IoU or Dice of the probabilities of each image, (B, 1)."""
    chosen = chosen_classes(task, classes)

    def row(logits: Tensor, target: Tensor) -> Tensor:
        truth, known = (mask[:, chosen] for mask in truth_of(task, logits, target))
        logits = logits.double()
        probabilities = (logits.softmax(1) if task.kind == "multiclass" else logits.sigmoid())[:, chosen]
        true, predicted, both = (
            values.flatten(2).sum(2) for values in (truth, probabilities * known, probabilities * truth)
        )
        total = true + predicted
        values = ratio(both, total - both, empty=1) if kind == "iou" else ratio(2 * both, total, empty=1)
        return mean_of_classes(task, values, present=true > 0, known=known.flatten(2).any(2))

    def per_image(logits: Tensor, target: Tensor) -> Tensor:
        # One image at a time: float sums must not depend on the batch size.
        images = zip(logits.cpu(), target.cpu(), strict=True)
        return torch.cat([row(image[None].contiguous(), truth[None].contiguous()) for image, truth in images])

    return per_image

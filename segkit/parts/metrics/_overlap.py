"""Overlap metrics: computation; definitions in docs/metrics.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from segkit.core.types import Metric, Task
from segkit.parts.metrics._confusion import Counts, chosen_classes, decision, metric_of_counts, truth_of
from segkit.parts.metrics._reduction import mean_of_classes, mean_of_defined, ratio


def iou_metric(task: Task, threshold: float, classes: tuple[str, ...] | None, cutoff: float = 0.0) -> Metric:
    """IoU of each image, and 0 where it is below the cutoff; the mean over images."""

    def rows(counts: Counts) -> Tensor:
        values = _mean_overlap(task, counts, counts.tp, counts.union)
        return torch.where(values < cutoff, 0.0, values)

    return metric_of_counts(decision(task, threshold, classes), rows)


def dice_metric(task: Task, threshold: float, classes: tuple[str, ...] | None) -> Metric:
    """Dice of each image, the mean over images."""

    def rows(counts: Counts) -> Tensor:
        return _mean_overlap(task, counts, 2 * counts.tp, counts.tp + counts.union)

    return metric_of_counts(decision(task, threshold, classes), rows)


def _mean_overlap(task: Task, counts: Counts, part: Tensor, whole: Tensor) -> Tensor:
    values = ratio(part, whole, empty=1)
    return mean_of_classes(task, values, present=counts.union > 0, known=counts.pixels > 0)


def dataset_metric(
    task: Task,
    threshold: float,
    classes: tuple[str, ...] | None,
    score: Callable[[Tensor], float],
) -> Metric:
    """A score of the intersections, then unions, of each image: (B, 2 K); NaN if no pixel is known."""

    def rows(counts: Counts) -> Tensor:
        parts = [part.double().where(counts.pixels > 0, torch.nan) for part in (counts.tp, counts.union)]
        return torch.cat(parts, dim=1)

    return metric_of_counts(decision(task, threshold, classes), rows, score)


def dataset_iou(task: Task) -> Callable[[Tensor], float]:
    """Rows of `dataset_metric`, (N, 2 K) -> IoU over all images."""

    def score(per_image: Tensor) -> float:
        intersection, union = per_image.nansum(0, keepdim=True).chunk(2, dim=1)
        known = ~per_image.isnan().all(0, keepdim=True).chunk(2, dim=1)[0]
        values = ratio(intersection, union, empty=1)
        return float(mean_of_classes(task, values, present=union > 0, known=known))

    return score


def mean_iou(per_image: Tensor) -> float:
    """Rows of `dataset_metric`, (N, 2 K) -> mean IoU of the classes that are in any mask; NaN if none is."""
    intersection, union = per_image.nansum(0, keepdim=True).chunk(2, dim=1)
    return float(mean_of_defined(ratio(intersection, union)))


def soft_metric(task: Task, kind: Literal["iou", "dice"], classes: tuple[str, ...] | None) -> Metric:
    """IoU or Dice of the probabilities of each image, the mean over images."""
    chosen = chosen_classes(task, classes)

    def sums_of_image(logits: Tensor, target: Tensor) -> Tensor:
        truth, known = (mask[:, chosen] for mask in truth_of(task, logits, target))
        logits = logits.double()
        probabilities = (logits.softmax(1) if task.kind == "multiclass" else logits.sigmoid())[:, chosen]
        maps = truth, probabilities * known, probabilities * truth, known
        return torch.cat([values.flatten(2).sum(2).double() for values in maps], dim=1)

    def parts(logits: Tensor, target: Tensor) -> Tensor:
        # One image at a time: float sums must not depend on the batch size.
        images = zip(logits.cpu(), target.cpu(), strict=True)
        return torch.cat(
            [sums_of_image(image[None].contiguous(), truth[None].contiguous()) for image, truth in images]
        )

    def rows(sums: Tensor) -> Tensor:
        true, predicted, both, known = sums.chunk(4, dim=1)
        total = true + predicted
        values = ratio(both, total - both, empty=1) if kind == "iou" else ratio(2 * both, total, empty=1)
        return mean_of_classes(task, values, present=true > 0, known=known > 0)

    return Metric.summed(parts, rows)

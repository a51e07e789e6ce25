"""Pixel rates: computation; definitions in docs/metrics.md."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from segkit.core.types import Task
from segkit.parts.metrics._confusion import Counts, decision
from segkit.parts.metrics._reduction import Rows, mean_of_defined, ratio


def accuracy_rows(task: Task, threshold: float) -> Rows:
    """Share of correct pixels of each image, (B, 1)."""
    decide = decision(task, threshold)

    def per_image(logits: Tensor, target: Tensor) -> Tensor:
        counts = decide(logits, target).count()
        if task.kind == "multiclass":  # true negatives of the other classes do not count
            return ratio(counts.tp.sum(1, keepdim=True), counts.pixels[:, :1])
        return ratio((counts.tp + counts.tn).sum(1, keepdim=True), counts.pixels.sum(1, keepdim=True))

    return per_image


def sensitivity_rows(task: Task, threshold: float, classes: tuple[str, ...] | None) -> Rows:
    """Share of true pixels that are predicted in each image, (B, 1)."""
    return _rate_rows(task, threshold, classes, lambda counts: (counts.tp, counts.tp + counts.fn))


def specificity_rows(task: Task, threshold: float, classes: tuple[str, ...] | None) -> Rows:
    """Share of background pixels that are predicted as such in each image, (B, 1)."""
    return _rate_rows(task, threshold, classes, lambda counts: (counts.tn, counts.tn + counts.fp))


def _rate_rows(
    task: Task,
    threshold: float,
    classes: tuple[str, ...] | None,
    fraction: Callable[[Counts], tuple[Tensor, Tensor]],
) -> Rows:
    decide = decision(task, threshold, classes)
    return lambda logits, target: mean_of_defined(ratio(*fraction(decide(logits, target).count())))

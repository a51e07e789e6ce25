"""Pixel rates: computation; definitions in docs/metrics.md."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from segkit.core.types import Metric, Task
from segkit.parts.metrics._confusion import Counts, decision, metric_of_counts
from segkit.parts.metrics._reduction import mean_of_defined, ratio


def accuracy_metric(task: Task, threshold: float) -> Metric:
    """Share of correct pixels of each image, the mean over images."""

    def rows(counts: Counts) -> Tensor:
        if task.kind == "multiclass":  # true negatives of the other classes do not count
            return ratio(counts.tp.sum(1, keepdim=True), counts.pixels[:, :1])
        return ratio((counts.tp + counts.tn).sum(1, keepdim=True), counts.pixels.sum(1, keepdim=True))

    return metric_of_counts(decision(task, threshold), rows)


def sensitivity_metric(task: Task, threshold: float, classes: tuple[str, ...] | None) -> Metric:
    """Share of true pixels that are predicted in each image, the mean over images."""
    return _rate_metric(task, threshold, classes, lambda counts: (counts.tp, counts.tp + counts.fn))


def specificity_metric(task: Task, threshold: float, classes: tuple[str, ...] | None) -> Metric:
    """Share of background pixels that are predicted as such in each image, the mean over images."""
    return _rate_metric(task, threshold, classes, lambda counts: (counts.tn, counts.tn + counts.fp))


def _rate_metric(
    task: Task,
    threshold: float,
    classes: tuple[str, ...] | None,
    fraction: Callable[[Counts], tuple[Tensor, Tensor]],
) -> Metric:
    decide = decision(task, threshold, classes)
    return metric_of_counts(decide, lambda counts: mean_of_defined(ratio(*fraction(counts))))

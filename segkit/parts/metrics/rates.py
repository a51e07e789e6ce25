"""Metrics of right and wrong pixels: pixel_accuracy, sensitivity, specificity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segkit.core.registry import METRICS
from segkit.core.types import Metric
from segkit.parts.metrics._options import Classes, Threshold

if TYPE_CHECKING:
    from torch import Tensor

    from segkit.core.types import Task


@METRICS.register("pixel_accuracy")
def pixel_accuracy(task: Task, *, threshold: Threshold = 0.5) -> Metric:
    """Share of pixels that are right, the mean over images; flatters where the background is large.

    Args:
        task: what is predicted.
        threshold: probability above which a pixel is foreground; not for multiclass.
    """
    from segkit.parts.metrics._confusion import decision
    from segkit.parts.metrics._reduction import ratio

    decide = decision(task, threshold)

    def rows(logits: Tensor, target: Tensor) -> Tensor:
        counts = decide(logits, target).count()
        if task.kind == "multiclass":  # a pixel is right for its one class, not for each class that it is not
            return ratio(counts.tp.sum(1, keepdim=True), counts.pixels[:, :1])
        return ratio((counts.tp + counts.tn).sum(1, keepdim=True), counts.pixels.sum(1, keepdim=True))

    return Metric(rows)


@METRICS.register("sensitivity")
def sensitivity(task: Task, *, threshold: Threshold = 0.5, classes: Classes = None) -> Metric:
    """Share of the true pixels that were found (recall, true positive rate), the mean over images.

    Args:
        task: what is predicted.
        threshold: probability above which a pixel is foreground; not for multiclass.
        classes: names of the classes to take the mean over; all by default, background included.
    """
    from segkit.parts.metrics._confusion import decision
    from segkit.parts.metrics._reduction import mean_of_defined, ratio

    decide = decision(task, threshold, classes)

    def rows(logits: Tensor, target: Tensor) -> Tensor:
        counts = decide(logits, target).count()
        return mean_of_defined(ratio(counts.tp, counts.tp + counts.fn))

    return Metric(rows)


@METRICS.register("specificity")
def specificity(task: Task, *, threshold: Threshold = 0.5, classes: Classes = None) -> Metric:
    """Share of the other pixels that were left alone (true negative rate), the mean over images.

    Args:
        task: what is predicted.
        threshold: probability above which a pixel is foreground; not for multiclass.
        classes: names of the classes to take the mean over; all by default, background included.
    """
    from segkit.parts.metrics._confusion import decision
    from segkit.parts.metrics._reduction import mean_of_defined, ratio

    decide = decision(task, threshold, classes)

    def rows(logits: Tensor, target: Tensor) -> Tensor:
        counts = decide(logits, target).count()
        return mean_of_defined(ratio(counts.tn, counts.tn + counts.fp))

    return Metric(rows)

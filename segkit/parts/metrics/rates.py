"""Pixel rates: pixel_accuracy, sensitivity, specificity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segkit.core.registry import METRICS
from segkit.parts.metrics._options import Classes, Threshold

if TYPE_CHECKING:
    from segkit.core.types import Metric, Task


@METRICS.register("pixel_accuracy")
def pixel_accuracy(task: Task, *, threshold: Threshold = 0.5) -> Metric:
    """Share of correct pixels, the mean over images; high for small objects, as the background counts too.

    Args:
        task: kind of masks, classes and ignored value.
        threshold: probability above which a pixel is foreground; not used for multiclass.
    """
    from segkit.parts.metrics._rates import accuracy_metric

    return accuracy_metric(task, threshold)


@METRICS.register("sensitivity")
def sensitivity(task: Task, *, threshold: Threshold = 0.5, classes: Classes = None) -> Metric:
    """Share of true pixels that are predicted (recall, true positive rate), the mean over images.

    Args:
        task: kind of masks, classes and ignored value.
        threshold: probability above which a pixel is foreground; not used for multiclass.
        classes: names of the classes to average; by default all, background included.
    """
    from segkit.parts.metrics._rates import sensitivity_metric

    return sensitivity_metric(task, threshold, classes)


@METRICS.register("specificity")
def specificity(task: Task, *, threshold: Threshold = 0.5, classes: Classes = None) -> Metric:
    """Share of background pixels that are predicted as such (true negative rate), the mean over images.

    Args:
        task: kind of masks, classes and ignored value.
        threshold: probability above which a pixel is foreground; not used for multiclass.
        classes: names of the classes to average; by default all, background included.
    """
    from segkit.parts.metrics._rates import specificity_metric

    return specificity_metric(task, threshold, classes)

"""Boundary metrics: boundary_iou, hd95."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from segkit.core.registry import METRICS
from segkit.core.types import Metric
from segkit.parts.metrics._options import Classes, Threshold

if TYPE_CHECKING:
    from segkit.core.types import Task


@METRICS.register("boundary_iou")
def boundary_iou(
    task: Task,
    *,
    dilation: Annotated[float, Field(gt=0, le=1)] = 0.02,
    threshold: Threshold = 0.5,
    classes: Classes = None,
) -> Metric:
    """Boundary IoU: IoU of the bands along the contours, the mean over images (Cheng et al. 2021).

    Args:
        task: kind of masks, classes and ignored value.
        dilation: width of the band inside the contour, as a fraction of the image diagonal; at least 1 pixel.
        threshold: probability above which a pixel is foreground; not used for multiclass.
        classes: names of the classes to average; by default all, background included.
    """
    from segkit.parts.metrics._boundary import boundary_iou_rows

    return Metric(boundary_iou_rows(task, dilation, threshold, classes))


@METRICS.register("hd95", higher_is_better=False)
def hd95(task: Task, *, threshold: Threshold = 0.5, classes: Classes = None) -> Metric:
    """95th percentile of the Hausdorff distance of the contours, in pixels, the mean over images; 0 is best.

    Args:
        task: kind of masks, classes and ignored value.
        threshold: probability above which a pixel is foreground; not used for multiclass.
        classes: names of the classes to average; by default all, background included.
    """
    from segkit.parts.metrics._boundary import hd95_rows

    return Metric(hd95_rows(task, threshold, classes))

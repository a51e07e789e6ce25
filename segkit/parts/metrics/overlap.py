"""Overlap metrics: miou, iou, dice, thresholded_iou, iou_dataset, iou_soft, dice_soft."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from segkit.core.registry import METRICS
from segkit.parts.metrics._options import Classes, Threshold

if TYPE_CHECKING:
    from segkit.core.types import Metric, Task


@METRICS.register("miou", of_data_set=True)
def miou(task: Task, *, classes: Classes = None) -> Metric:
    """Mean IoU of the classes, each over the pixels of all images: the mIoU of PASCAL VOC and Cityscapes.

    Args:
        task: kind of masks, classes and ignored value.
        classes: names of the classes to average; by default all, background included.
    """
    from segkit.parts.metrics._overlap import dataset_metric, mean_iou

    return dataset_metric(task, 0.5, classes, mean_iou)


@METRICS.register("iou")
def iou(task: Task, *, threshold: Threshold = 0.5, classes: Classes = None) -> Metric:
    """Intersection over union (Jaccard index) of the masks, averaged over images; the ISIC challenges' score.

    Args:
        task: kind of masks, classes and ignored value.
        threshold: probability above which a pixel is foreground; not used for multiclass.
        classes: names of the classes to average; by default all, background included.
    """
    from segkit.parts.metrics._overlap import iou_metric

    return iou_metric(task, threshold, classes)


@METRICS.register("dice")
def dice(task: Task, *, threshold: Threshold = 0.5, classes: Classes = None) -> Metric:
    """Dice coefficient (F1 score) of the masks, the mean over images.

    Args:
        task: kind of masks, classes and ignored value.
        threshold: probability above which a pixel is foreground; not used for multiclass.
        classes: names of the classes to average; by default all, background included.
    """
    from segkit.parts.metrics._overlap import dice_metric

    return dice_metric(task, threshold, classes)


@METRICS.register("thresholded_iou")
def thresholded_iou(
    task: Task,
    *,
    cutoff: Annotated[float, Field(ge=0, le=1)] = 0.65,
    threshold: Threshold = 0.5,
    classes: Classes = None,
) -> Metric:
    """IoU, set to 0 for images below the cutoff; the score of the ISIC 2018 challenge.

    Args:
        task: kind of masks, classes and ignored value.
        cutoff: IoU below which an image scores 0.
        threshold: probability above which a pixel is foreground; not used for multiclass.
        classes: names of the classes to average; by default all, background included.
    """
    from segkit.parts.metrics._overlap import iou_metric

    return iou_metric(task, threshold, classes, cutoff)


@METRICS.register("iou_dataset", of_data_set=True)
def iou_dataset(task: Task, *, threshold: Threshold = 0.5, classes: Classes = None) -> Metric:
    """IoU over the pixels of all images: large objects weigh more.

    Args:
        task: kind of masks, classes and ignored value.
        threshold: probability above which a pixel is foreground; not used for multiclass.
        classes: names of the classes to average; by default all, background included.
    """
    from segkit.parts.metrics._overlap import dataset_iou, dataset_metric

    return dataset_metric(task, threshold, classes, dataset_iou(task))


@METRICS.register("iou_soft")
def iou_soft(task: Task, *, classes: Classes = None) -> Metric:
    """IoU of probabilities, without a threshold, the mean over images: 1 - the jaccard loss.

    Args:
        task: kind of masks, classes and ignored value.
        classes: names of the classes to average; by default all, background included.
    """
    from segkit.parts.metrics._overlap import soft_metric

    return soft_metric(task, "iou", classes)


@METRICS.register("dice_soft")
def dice_soft(task: Task, *, classes: Classes = None) -> Metric:
    """Dice coefficient of probabilities, without a threshold, the mean over images: 1 - the dice loss.

    Args:
        task: kind of masks, classes and ignored value.
        classes: names of the classes to average; by default all, background included.
    """
    from segkit.parts.metrics._overlap import soft_metric

    return soft_metric(task, "dice", classes)

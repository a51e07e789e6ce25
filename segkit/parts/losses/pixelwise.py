"""Losses averaged over pixels: bce, cross_entropy, focal.

The mean is over the valid pixels of the whole batch, as in torch. Not segmentation-models-pytorch's, which
counts ignored pixels in the mean, and whose multiclass focal loss uses one-against-all sigmoids instead of
softmax.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from segkit.core.errors import PartError
from segkit.core.registry import LOSSES

if TYPE_CHECKING:
    from segkit.core.types import Loss, Task

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
ClassWeights = Literal["balanced"] | tuple[NotNegative, ...] | None


@LOSSES.register("bce")
def bce(
    task: Task,
    *,
    pos_weight: Literal["balanced"] | Positive | tuple[Positive, ...] = 1.0,
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0,
    class_weights: ClassWeights = None,
) -> Loss:
    """Binary cross-entropy of every pixel (and class, for multilabel), for binary and multilabel tasks.

    Args:
        task: kind of masks, classes and ignored value.
        pos_weight: weight of foreground pixels, or one for each class of a multilabel task; background pixels
            have weight 1; balanced takes the number of background pixels for each foreground pixel.
        label_smoothing: amount s; targets 0 and 1 become s / 2 and 1 - s / 2.
        class_weights: one weight per class, for multilabel; 0 leaves a class out; balanced takes inverse
            frequencies in the training masks. All equal by default.

    Raises:
        PartError: for a multiclass task.
    """
    from segkit.parts.losses._pixelwise import bce_loss

    if task.kind == "multiclass":
        raise PartError(
            "bce does not fit a multiclass task, where the classes of a pixel exclude each other",
            hint="cross_entropy, or focal, dice, jaccard, tversky, lovasz, mcc",
        )
    return bce_loss(task, pos_weight=pos_weight, label_smoothing=label_smoothing, class_weights=class_weights)


@LOSSES.register("cross_entropy")
def cross_entropy(
    task: Task,
    *,
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0,
    class_weights: ClassWeights = None,
) -> Loss:
    """Softmax cross-entropy of every pixel, for multiclass tasks.

    Args:
        task: kind of masks, classes and ignored value.
        label_smoothing: share of the target that is spread evenly over all classes.
        class_weights: one weight per class; 0 leaves a class out; balanced takes inverse frequencies in the
            training masks. All equal by default.

    Raises:
        PartError: for a binary or multilabel task.
    """
    from segkit.parts.losses._pixelwise import cross_entropy_loss

    if task.kind != "multiclass":
        raise PartError(
            f"cross_entropy does not fit a {task.kind} task, whose logits are not compared with each other",
            hint="bce, or focal, dice, jaccard, tversky, lovasz, mcc",
        )
    return cross_entropy_loss(task, label_smoothing=label_smoothing, class_weights=class_weights)


@LOSSES.register("focal")
def focal(
    task: Task,
    *,
    gamma: NotNegative = 2.0,
    alpha: Literal["balanced"] | Share | tuple[Share, ...] | None = None,
    class_weights: ClassWeights = None,
) -> Loss:
    """Cross-entropy that down-weights easy pixels: mean of -(1 - p) ** gamma log p, p of the true class.

    Sigmoid for binary and multilabel tasks, softmax for multiclass.
    Source: Lin et al. 2017, Focal Loss for Dense Object Detection, equation 5 (there gamma 2, alpha 0.25).

    Args:
        task: kind of masks, classes and ignored value.
        gamma: strength of the down-weighting; 0 is cross-entropy.
        alpha: foreground weight, for binary and multilabel, there also one for each class; 1 - alpha weighs
            the background; balanced takes the background's share of the pixels; null: both 1.
        class_weights: one weight per class, for multiclass and multilabel; 0 leaves a class out; balanced
            takes inverse frequencies in the training masks. All equal by default.

    Raises:
        PartError: if `alpha` is given for a multiclass task.
    """
    from segkit.parts.losses._pixelwise import focal_loss

    if task.kind == "multiclass" and alpha is not None:
        raise PartError(
            "focal: alpha balances foreground and background, and does not fit a multiclass task",
            hint="class_weights",
        )
    return focal_loss(task, gamma=gamma, alpha=alpha, class_weights=class_weights)

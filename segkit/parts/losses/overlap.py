"""Overlap losses: dice, jaccard, tversky, mcc.

Each is a function of soft counts: with probability p and truth t, tp = sum p t, fp = sum p (1 - t),
fn = sum (1 - p) t, tn = sum (1 - p) (1 - t), over the valid pixels of one image, or of the whole batch.

Not segmentation-models-pytorch's: it sums over the whole batch only, so that the loss of an image depends on
the others; a class without truth gets loss 0 and no gradient, so that false positives on empty masks are not
penalised; its mcc is binary only and does not support ignored pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from segkit.core.registry import LOSSES

if TYPE_CHECKING:
    from segkit.core.types import Loss, Task

Over = Literal["image", "batch"]
Absent = Literal["suppress", "skip"]
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
ClassWeights = Literal["balanced"] | tuple[NotNegative, ...] | None


@LOSSES.register("dice")
def dice(
    task: Task,
    *,
    smooth: NotNegative = 0.0,
    class_weights: ClassWeights = None,
    over: Over = "image",
    absent: Absent = "suppress",
) -> Loss:
    """1 - soft Dice: the mean over images and classes of 1 - 2 tp / (2 tp + fp + fn).

    Source: Milletari et al. 2016, V-Net, with plain instead of squared sums.

    Args:
        task: kind of masks, classes and ignored value.
        smooth: value added to numerator and denominator.
        class_weights: one weight per class; 0 leaves a class out; balanced takes inverse frequencies in the
            training masks. All equal by default.
        over: "image" averages the loss of each image; "batch" sums over the batch first.
        absent: loss of a class without true pixels: "suppress" adds its mean probability, which penalises
            false positives; "skip" leaves it out.
    """
    from segkit.parts.losses._overlap import overlap_loss, tversky_error

    error = tversky_error(alpha=0.5, beta=0.5, smooth=smooth / 2)
    return overlap_loss(task, error, class_weights=class_weights, over=over, absent=absent)


@LOSSES.register("jaccard")
def jaccard(
    task: Task,
    *,
    smooth: NotNegative = 0.0,
    class_weights: ClassWeights = None,
    over: Over = "image",
    absent: Absent = "suppress",
) -> Loss:
    """1 - soft IoU: the mean over images and classes of 1 - tp / (tp + fp + fn).

    Source: Rahman and Wang 2016, Optimizing Intersection-Over-Union in Deep Neural Networks.

    Args:
        task: kind of masks, classes and ignored value.
        smooth: value added to numerator and denominator.
        class_weights: one weight per class; 0 leaves a class out; balanced takes inverse frequencies in the
            training masks. All equal by default.
        over: "image" averages the loss of each image; "batch" sums over the batch first.
        absent: loss of a class without true pixels: "suppress" adds its mean probability, which penalises
            false positives; "skip" leaves it out.
    """
    from segkit.parts.losses._overlap import overlap_loss, tversky_error

    error = tversky_error(alpha=1.0, beta=1.0, smooth=smooth)
    return overlap_loss(task, error, class_weights=class_weights, over=over, absent=absent)


@LOSSES.register("tversky")
def tversky(
    task: Task,
    *,
    alpha: Positive = 0.3,
    beta: Positive = 0.7,
    gamma: Positive = 1.0,
    smooth: NotNegative = 0.0,
    class_weights: ClassWeights = None,
    over: Over = "image",
    absent: Absent = "suppress",
) -> Loss:
    """Dice with weighted errors: the mean of (1 - tp / (tp + alpha fp + beta fn)) ** gamma.

    Source: Salehi et al. 2017, Tversky loss (alpha 0.3, beta 0.7); Abraham and Khan 2019, focal Tversky loss,
    whose gamma of 4/3 is an exponent of 1 / gamma, here gamma: 0.75.

    Args:
        task: kind of masks, classes and ignored value.
        alpha: weight of false positives.
        beta: weight of false negatives.
        gamma: exponent of each term; below 1 stresses small errors, above 1 large ones.
        smooth: value added to numerator and denominator.
        class_weights: one weight per class; 0 leaves a class out; balanced takes inverse frequencies in the
            training masks. All equal by default.
        over: "image" averages the loss of each image; "batch" sums over the batch first.
        absent: loss of a class without true pixels: "suppress" adds its mean probability ** gamma, which
            penalises false positives; "skip" leaves it out.
    """
    from segkit.parts.losses._overlap import overlap_loss, tversky_error

    error = tversky_error(alpha=alpha, beta=beta, smooth=smooth)
    return overlap_loss(task, error, gamma=gamma, class_weights=class_weights, over=over, absent=absent)


@LOSSES.register("mcc")
def mcc(
    task: Task, *, class_weights: ClassWeights = None, over: Over = "image", absent: Absent = "suppress"
) -> Loss:
    """1 - soft Matthews correlation coefficient, from 0 to 2; true negatives count.

    The coefficient is (tp tn - fp fn) / sqrt((tp + fp) (tp + fn) (tn + fp) (tn + fn)). It is undefined
    if all pixels have the same truth; such an image adds the mean error of its probabilities.
    Source: Abhishek and Hamarneh 2021, Matthews Correlation Coefficient Loss for Deep Convolutional Networks.

    Args:
        task: kind of masks, classes and ignored value.
        class_weights: one weight per class; 0 leaves a class out; balanced takes inverse frequencies in the
            training masks. All equal by default.
        over: "image" averages the loss of each image; "batch" sums over the batch first.
        absent: loss of a class without true pixels: "suppress" adds its mean probability, which penalises
            false positives; "skip" leaves it out.
    """
    from segkit.parts.losses._overlap import matthews_error, overlap_loss

    return overlap_loss(task, matthews_error, class_weights=class_weights, over=over, absent=absent)

"""Inputs of a loss: float32 logits, truth and valid pixels of each class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from segkit.core.errors import PartError
from segkit.core.types import Task

if TYPE_CHECKING:
    from segkit.core.types import Loss

Weights = Literal["balanced"] | Sequence[float] | None  # by class; balanced is replaced before a run
EPS = 1e-12  # keeps an empty mean at 0 / EPS = 0 instead of 0 / 0


@dataclass(frozen=True)
class LossInputs:
    """One batch, prepared for a loss. All tensors have the logits' floating type.

    Shape:
        logits: (B, K, H, W), 0 where ignored, so that no gradient reaches ignored pixels.
        truth: (B, K, H, W), 1 for pixels of the class, 0 for others and ignored ones.
        valid: (B, K, H, W), 0 where ignored, else 1.
    """

    task: Task
    logits: Tensor
    truth: Tensor
    valid: Tensor

    @property
    def probabilities(self) -> Tensor:
        """(B, K, H, W); undefined where ignored."""
        return self.logits.softmax(1) if self.task.kind == "multiclass" else self.logits.sigmoid()

    def weights(self, class_weights: Weights) -> Tensor:
        """One weight per class, (K,); all 1 by default."""
        if class_weights is None:
            return self.logits.new_ones(self.task.channels)
        return self.logits.new_tensor(class_weights)


def as_loss(task: Task, compute: Callable[[LossInputs], Tensor]) -> Loss:
    """Make a loss `(logits, target) -> scalar` from a function of `LossInputs`.

    Autocast is off: sums over thousands of pixels and logarithms of small probabilities need float32. The
    loss raises `ShapeError` if logits or target do not fit the task.
    """

    def loss(logits: Tensor, target: Tensor) -> Tensor:
        with torch.autocast(logits.device.type, enabled=False):
            return compute(_prepare(task, logits, target))

    return loss


def check_weights(task: Task, class_weights: Weights) -> None:
    """Raise `PartError` for a binary task, a wrong number of class weights, or weights that are all zero."""
    if class_weights is None:
        return
    if task.kind == "binary":
        raise PartError(
            "class_weights: a binary task has only one class",
            hint="balance it and the background with bce's pos_weight: balanced, focal's alpha: balanced, or "
            "tversky",
        )
    if not any(per_class(task, "class_weights", class_weights)):
        raise PartError("class_weights: all are zero", hint="leave at least one class in the loss")


def per_class(task: Task, option: str, weights: Literal["balanced"] | float | Sequence[float]) -> list[float]:
    """One weight for all classes, or one for each.

    Raises:
        PartError: if there is another number of them, or they have not been counted.
    """
    if weights == "balanced":
        raise PartError(
            f"{option}: balanced weights are counted in the training masks of a run",
            hint="give numbers where there is no run",
        )
    if not isinstance(weights, Sequence):
        return [weights]
    if len(weights) != task.channels:
        raise PartError(
            f"{option}: {len(weights)} weights for {task.channels} classes",
            hint=f"give one for each of {', '.join(task.classes)}, in this order",
        )
    return [float(weight) for weight in weights]


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of `values`, same shape as `weights`; 0 without a gradient if all weights are 0."""
    return (values * weights).sum() / weights.sum().clamp_min(EPS)


def mean_of_images(values: Tensor, weights: Tensor) -> Tensor:
    """Mean over images of the weighted mean over classes; both (B, K), or (K,) for a whole batch.

    Images whose weights are all 0 are left out.
    """
    total = weights.sum(-1)
    images = (values * weights).sum(-1) / total.clamp_min(EPS)
    return weighted_mean(images, (total > 0).to(values.dtype))


def _prepare(task: Task, logits: Tensor, target: Tensor) -> LossInputs:
    task.check_shapes(logits, target)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    target = target if task.kind == "multilabel" else target.unsqueeze(1)  # B 1|K H W
    valid = torch.ones_like(target, dtype=torch.bool)
    if task.ignore_index is not None:
        valid = target != task.ignore_index
        logits = logits.masked_fill(~valid, 0)
    # Unlike one_hot, a comparison accepts every integer type and ignored labels beyond the classes.
    label = (
        torch.arange(task.channels, device=target.device).view(1, -1, 1, 1)
        if task.kind == "multiclass"
        else 1
    )
    truth = (target == label) & valid
    return LossInputs(task, logits, truth.to(logits.dtype), valid.to(logits.dtype).expand_as(logits))

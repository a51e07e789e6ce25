"""The computations behind the losses that are a mean over pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.functional import cross_entropy as softmax_cross_entropy

from segkit.core.types import Task
from segkit.parts.losses._inputs import LossInputs, as_loss, check_weights, weighted_mean

if TYPE_CHECKING:
    from segkit.core.types import Loss


def bce_loss(
    task: Task, *, pos_weight: float, label_smoothing: float, class_weights: tuple[float, ...] | None
) -> Loss:
    """Binary cross-entropy, the weighted mean over known pixels and classes."""
    check_weights(task, class_weights)

    def compute(given: LossInputs) -> Tensor:
        soft = given.truth * (1 - label_smoothing) + label_smoothing / 2
        weight = given.logits.new_tensor(pos_weight)
        terms = binary_cross_entropy_with_logits(given.logits, soft, pos_weight=weight, reduction="none")
        return weighted_mean(terms, _class_by_pixel(given, class_weights))

    return as_loss(task, compute)


def cross_entropy_loss(
    task: Task, *, label_smoothing: float, class_weights: tuple[float, ...] | None
) -> Loss:
    """Softmax cross-entropy over the sum of the true classes' weights, as in torch.

    The truth is given as probabilities: with class indices torch has no deterministic CUDA kernel for maps,
    and its mean over nothing but ignored pixels is NaN.
    """
    check_weights(task, class_weights)

    def compute(given: LossInputs) -> Tensor:
        weights = given.weights(class_weights)
        terms = softmax_cross_entropy(
            given.logits, given.truth, weights, reduction="none", label_smoothing=label_smoothing
        )
        terms = terms * given.valid[:, 0]  # label smoothing reaches ignored pixels otherwise
        return terms.sum() / _weight_of_truth(given, weights).sum().clamp_min(1e-12)

    return as_loss(task, compute)


def focal_loss(
    task: Task, *, gamma: float, alpha: float | None, class_weights: tuple[float, ...] | None
) -> Loss:
    """Focal loss, the weighted mean over known pixels (and classes, where each is its own question)."""
    check_weights(task, class_weights)

    def compute(given: LossInputs) -> Tensor:
        if task.kind == "multiclass":
            entropy = softmax_cross_entropy(given.logits, given.truth, reduction="none")  # B H W
            weights = _weight_of_truth(given, given.weights(class_weights))
        else:
            entropy = binary_cross_entropy_with_logits(given.logits, given.truth, reduction="none")  # B K H W
            weights = _class_by_pixel(given, class_weights)
        terms = _turn_down_easy(entropy, gamma)
        if alpha is not None:
            terms = terms * torch.where(given.truth > 0, alpha, 1 - alpha)
        return weighted_mean(terms, weights)

    return as_loss(task, compute)


def _turn_down_easy(entropy: Tensor, gamma: float) -> Tensor:
    doubt = -torch.expm1(-entropy)  # 1 - p, exact where p is nearly 1
    return doubt.clamp_min(1e-7) ** gamma * entropy  # the slope at 0 is infinite for 0 < gamma < 1


def _class_by_pixel(given: LossInputs, class_weights: tuple[float, ...] | None) -> Tensor:
    """The class's weight at known pixels, 0 at ignored ones: (B, K, H, W)."""
    return given.valid * given.weights(class_weights).view(1, -1, 1, 1)


def _weight_of_truth(given: LossInputs, weights: Tensor) -> Tensor:
    """The weight of each pixel's true class, 0 at ignored pixels: (B, H, W)."""
    return (given.truth * weights.view(1, -1, 1, 1)).sum(1)

"""Losses averaged over pixels: computation."""

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
    """Binary cross-entropy, weighted mean over valid pixels and classes."""
    check_weights(task, class_weights)

    def compute(inputs: LossInputs) -> Tensor:
        soft = inputs.truth * (1 - label_smoothing) + label_smoothing / 2
        weight = inputs.logits.new_tensor(pos_weight)
        terms = binary_cross_entropy_with_logits(inputs.logits, soft, pos_weight=weight, reduction="none")
        return weighted_mean(terms, _class_weight_map(inputs, class_weights))

    return as_loss(task, compute)


def cross_entropy_loss(
    task: Task, *, label_smoothing: float, class_weights: tuple[float, ...] | None
) -> Loss:
    """Softmax cross-entropy divided by the sum of the true classes' weights, as in torch.

    The truth is passed as probabilities: for class indices torch has no deterministic CUDA kernel, and its
    mean over ignored pixels only is NaN.
    """
    check_weights(task, class_weights)

    def compute(inputs: LossInputs) -> Tensor:
        weights = inputs.weights(class_weights)
        terms = softmax_cross_entropy(
            inputs.logits, inputs.truth, weights, reduction="none", label_smoothing=label_smoothing
        )
        terms = terms * inputs.valid[:, 0]  # label smoothing would reach ignored pixels
        return terms.sum() / _true_class_weight_map(inputs, weights).sum().clamp_min(1e-12)

    return as_loss(task, compute)


def focal_loss(
    task: Task, *, gamma: float, alpha: float | None, class_weights: tuple[float, ...] | None
) -> Loss:
    """Focal loss, weighted mean over valid pixels (and over classes, unless multiclass)."""
    check_weights(task, class_weights)

    def compute(inputs: LossInputs) -> Tensor:
        if task.kind == "multiclass":
            entropy = softmax_cross_entropy(inputs.logits, inputs.truth, reduction="none")  # B H W
            weights = _true_class_weight_map(inputs, inputs.weights(class_weights))
        else:
            entropy = binary_cross_entropy_with_logits(
                inputs.logits, inputs.truth, reduction="none"
            )  # B K H W
            weights = _class_weight_map(inputs, class_weights)
        terms = _focal_terms(entropy, gamma)
        if alpha is not None:
            terms = terms * torch.where(inputs.truth > 0, alpha, 1 - alpha)
        return weighted_mean(terms, weights)

    return as_loss(task, compute)


def _focal_terms(entropy: Tensor, gamma: float) -> Tensor:
    error = -torch.expm1(-entropy)  # 1 - p, exact for p near 1
    return error.clamp_min(1e-7) ** gamma * entropy  # the slope at 0 is infinite for 0 < gamma < 1


def _class_weight_map(inputs: LossInputs, class_weights: tuple[float, ...] | None) -> Tensor:
    """Class weight at valid pixels, 0 at ignored ones: (B, K, H, W)."""
    return inputs.valid * inputs.weights(class_weights).view(1, -1, 1, 1)


def _true_class_weight_map(inputs: LossInputs, weights: Tensor) -> Tensor:
    """Weight of each pixel's true class, 0 at ignored pixels: (B, H, W)."""
    return (inputs.truth * weights.view(1, -1, 1, 1)).sum(1)

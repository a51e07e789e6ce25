"""Losses averaged over pixels: computation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.functional import cross_entropy as softmax_cross_entropy

from segkit.core.types import Task
from segkit.parts.losses._inputs import (
    LossInputs,
    Weights,
    as_loss,
    check_weights,
    per_class,
    weighted_mean,
)

if TYPE_CHECKING:
    from segkit.core.types import Loss


def bce_loss(
    task: Task,
    *,
    pos_weight: Literal["balanced"] | float | Sequence[float],
    label_smoothing: float,
    class_weights: Weights,
) -> Loss:
    """Binary cross-entropy, weighted mean over valid pixels and classes."""
    check_weights(task, class_weights)
    positive = per_class(task, "pos_weight", pos_weight)

    def compute(inputs: LossInputs) -> Tensor:
        soft = inputs.truth * (1 - label_smoothing) + label_smoothing / 2
        weight = inputs.logits.new_tensor(positive).view(-1, 1, 1)  # 1|K 1 1
        terms = binary_cross_entropy_with_logits(inputs.logits, soft, pos_weight=weight, reduction="none")
        return weighted_mean(terms, _class_weight_map(inputs, class_weights))

    return as_loss(task, compute)


def cross_entropy_loss(task: Task, *, label_smoothing: float, class_weights: Weights) -> Loss:
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


def focal_loss(task: Task, *, gamma: float, alpha: Weights | float, class_weights: Weights) -> Loss:
    """Focal loss, weighted mean over valid pixels (and over classes, unless multiclass)."""
    check_weights(task, class_weights)
    alphas = None if alpha is None else per_class(task, "alpha", alpha)

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
        if alphas is not None:
            foreground, background = (
                terms.new_tensor(weights).view(-1, 1, 1)  # 1|K 1 1
                for weights in (alphas, [1 - weight for weight in alphas])
            )
            terms = terms * torch.where(inputs.truth > 0, foreground, background)
        return weighted_mean(terms, weights)

    return as_loss(task, compute)


def _focal_terms(entropy: Tensor, gamma: float) -> Tensor:
    error = -torch.expm1(-entropy)  # 1 - p, exact for p near 1
    return error.clamp_min(1e-7) ** gamma * entropy  # the slope at 0 is infinite for 0 < gamma < 1


def _class_weight_map(inputs: LossInputs, class_weights: Weights) -> Tensor:
    """Class weight at valid pixels, 0 at ignored ones: (B, K, H, W)."""
    return inputs.valid * inputs.weights(class_weights).view(1, -1, 1, 1)


def _true_class_weight_map(inputs: LossInputs, weights: Tensor) -> Tensor:
    """Weight of each pixel's true class, 0 at ignored pixels: (B, H, W)."""
    return (inputs.truth * weights.view(1, -1, 1, 1)).sum(1)

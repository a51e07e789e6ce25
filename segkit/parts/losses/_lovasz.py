"""Lovász extension of the Jaccard loss, vectorised over images and classes.

Not segmentation-models-pytorch's: it merges the classes of a multilabel task, does not return a scalar for a
multiclass batch that is completely ignored, and its cumulative sums of floats have no deterministic CUDA
kernel. Here they are sums of integers, exact and deterministic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from segkit.core.types import Task
from segkit.parts.losses._inputs import LossInputs, as_loss, mean_of_images

if TYPE_CHECKING:
    from segkit.core.types import Loss


def lovasz_loss(task: Task, *, over: Literal["image", "batch"]) -> Loss:
    """Lovász hinge (binary, multilabel) or Lovász-Softmax (multiclass), averaged over images and classes."""

    def compute(inputs: LossInputs) -> Tensor:
        if task.kind == "multiclass":
            errors = (inputs.truth - inputs.probabilities).abs()
        else:
            errors = 1 - inputs.logits * (2 * inputs.truth - 1)
        # Ignored pixels are ranked last and clipped to 0 in _extension.
        errors = errors.masked_fill(inputs.valid == 0, -torch.inf)
        errors, truth, valid = (_rank_axis(map_, over) for map_ in (errors, inputs.truth, inputs.valid))
        counts = (truth if task.kind == "multiclass" else valid).any(-1)
        return mean_of_images(_extension(errors, truth.long()), counts.to(errors.dtype))

    return as_loss(task, compute)


def _extension(errors: Tensor, truth: Tensor) -> Tensor:
    """Errors and truth (..., N) -> errors weighted by the increments of the Jaccard loss, (...)."""
    errors, order = errors.sort(dim=-1, descending=True, stable=True)
    truth = truth.gather(-1, order)
    positives = truth.sum(-1, keepdim=True)
    intersection = positives - truth.cumsum(-1)
    union = positives + (1 - truth).cumsum(-1)
    loss = 1 - intersection.to(errors.dtype) / union
    increments = torch.cat([loss[..., :1], loss.diff(dim=-1)], dim=-1)
    return (errors.relu() * increments).sum(-1)


def _rank_axis(maps: Tensor, over: Literal["image", "batch"]) -> Tensor:
    """(B, K, H, W) -> (B, K, N), or (1, K, N) over the whole batch."""
    return maps.flatten(2) if over == "image" else maps.transpose(0, 1).flatten(1).unsqueeze(0)

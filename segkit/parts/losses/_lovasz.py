"""The Lovász extension of the Jaccard loss for all images and classes at once.

Not segmentation-models-pytorch's: it melts the classes of a multilabel task into one, returns no scalar where
a multiclass batch is ignored altogether, and its cumulative sums of floats have no deterministic CUDA kernel.
Here they are sums of integers, exact and deterministic.
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
    """Lovász hinge (binary, multilabel) or Lovász-Softmax (multiclass), the mean over images and classes."""

    def compute(given: LossInputs) -> Tensor:
        if task.kind == "multiclass":
            errors = (given.truth - given.probabilities).abs()
        else:
            errors = 1 - given.logits * (2 * given.truth - 1)
        # Ranked last and cut to zero below, ignored pixels change nothing before them.
        errors = errors.masked_fill(given.valid == 0, -torch.inf)
        errors, truth, known = (_rank_axis(map_, over) for map_ in (errors, given.truth, given.valid))
        counted = (truth if task.kind == "multiclass" else known).any(-1)
        return mean_of_images(_extension(errors, truth.long()), counted.to(errors.dtype))

    return as_loss(task, compute)


def _extension(errors: Tensor, truth: Tensor) -> Tensor:
    """Errors and truth (..., N) -> the errors weighted by the growth of the Jaccard loss, (...)."""
    errors, order = errors.sort(dim=-1, descending=True, stable=True)
    truth = truth.gather(-1, order)
    positives = truth.sum(-1, keepdim=True)
    intersection = positives - truth.cumsum(-1)
    union = positives + (1 - truth).cumsum(-1)
    loss = 1 - intersection.to(errors.dtype) / union
    growth = torch.cat([loss[..., :1], loss.diff(dim=-1)], dim=-1)
    return (errors.relu() * growth).sum(-1)


def _rank_axis(maps: Tensor, over: Literal["image", "batch"]) -> Tensor:
    """(B, K, H, W) -> (B, K, N), or (1, K, N) with the pixels of the whole batch, for the ranking."""
    return maps.flatten(2) if over == "image" else maps.transpose(0, 1).flatten(1).unsqueeze(0)

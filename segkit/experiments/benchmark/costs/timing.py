"""Helpers of all timings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.optim.lr_scheduler import LambdaLR

from segkit.experiments.assembly import build_optimizer
from segkit.training.train_state import make_train_state

if TYPE_CHECKING:
    from segkit.models.segmenter import Segmenter
    from segkit.recipe import Recipe
    from segkit.training.train_state import TrainState


def zero_lr_state(recipe: Recipe, model: Segmenter) -> TrainState:
    """Training state of a recipe with learning rate zero: repeated batches would make the loss diverge."""
    optimizer = build_optimizer(recipe, model)
    return make_train_state(model, optimizer, LambdaLR(optimizer, lambda step: 0.0), recipe.training)


def synchronize(device: torch.device) -> None:
    """Wait until the device has finished its queued work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()

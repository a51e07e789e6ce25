"""What everything that is timed has in common."""

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


def learner_at_rest(recipe: Recipe, model: Segmenter) -> TrainState:
    """A learner of the recipe whose learning rate is zero, which takes as long as any.

    The same batch again and again, or noise, would make the loss diverge.
    """
    optimizer = build_optimizer(recipe, model)
    return make_train_state(model, optimizer, LambdaLR(optimizer, lambda step: 0.0), recipe.training)


def wait(device: torch.device) -> None:
    """Until the device has done what it was given: calls return before."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()

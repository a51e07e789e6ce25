"""Optimizer and schedule of a recipe, tried on two small parameters before training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from segkit.core.errors import PartError
from segkit.parts.schedules.warmup import build_schedule
from segkit.recipe import entry_for
from segkit.recipe.build import build, errors_of

if TYPE_CHECKING:
    from segkit.core.types import ParameterGroups
    from segkit.recipe import Recipe
    from segkit.recipe.part_schema import Part


def optimizer_for(recipe: Recipe, groups: ParameterGroups) -> Optimizer:
    """The recipe's optimizer of groups of parameters.

    Raises:
        PartError: if it cannot be built.
    """
    optimizer = build(recipe.optimizer, groups)
    _require(recipe.optimizer, optimizer, Optimizer)
    return optimizer  # type: ignore[no-any-return]


def schedule_for(recipe: Recipe, optimizer: Optimizer, steps_per_epoch: int) -> LRScheduler:
    """The recipe's learning-rate schedule.

    Raises:
        PartError: if it cannot be built.
    """
    part = recipe.schedule
    with errors_of(part, "cannot be built"):
        schedule = build_schedule(
            entry_for(part).factory, optimizer, recipe.training.epochs, steps_per_epoch,
            warmup_epochs=part.warmup_epochs, options=part.options,
        )  # fmt: skip
    _require(part, schedule, LRScheduler)
    return schedule


def try_optimization(recipe: Recipe, steps_per_epoch: int) -> None:
    """Build optimizer and schedule, and take one step of a weight and a bias.

    Raises:
        PartError: if one of them fails.
    """
    weight, bias = (nn.Parameter(torch.ones(shape)) for shape in ((4, 3, 3, 3), (4,)))
    groups: ParameterGroups = [
        {"params": [weight], "lr_factor": 1.0, "decay": True},
        {"params": [bias], "lr_factor": 1.0, "decay": False},
    ]
    optimizer = optimizer_for(recipe, groups)
    schedule = schedule_for(recipe, optimizer, steps_per_epoch)
    weight.grad, bias.grad = torch.ones_like(weight), torch.ones_like(bias)
    with errors_of(recipe.optimizer), torch.random.fork_rng(devices=[]):
        optimizer.step()
    with errors_of(recipe.schedule):
        schedule.step()


def _require(part: Part, value: Any, kind: type) -> None:
    if not isinstance(value, kind):
        raise PartError(
            f"{part.kind} {part.name!r} is built as a {type(value).__name__}",
            where=entry_for(part).where,
            hint=f"return a {kind.__module__}.{kind.__name__}",
        )

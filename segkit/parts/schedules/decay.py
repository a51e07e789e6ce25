"""Constant, step, exponential and polynomial learning-rate schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from segkit.core.registry import SCHEDULES
from segkit.parts.schedules._curve import Inside, Share, curve

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler


@SCHEDULES.register("constant")
def constant(optimizer: Optimizer, epochs: float, steps_per_epoch: int) -> LRScheduler:
    """Constant learning rate."""
    return curve(optimizer, epochs, steps_per_epoch, lambda progress: 1.0)


@SCHEDULES.register("step")
def step(
    optimizer: Optimizer,
    epochs: float,
    steps_per_epoch: int,
    *,
    every_epochs: Annotated[float, Field(gt=0)] = 10.0,
    factor: Inside = 0.1,
) -> LRScheduler:
    """Step decay: multiply the learning rate by a factor every few epochs.

    Args:
        optimizer: optimizer to schedule.
        epochs: length of the schedule.
        steps_per_epoch: training steps per epoch.
        every_epochs: epochs between two steps.
        factor: factor of each step.
    """
    from torch.optim.lr_scheduler import LambdaLR

    return LambdaLR(optimizer, lambda done: factor ** (done // max(1, round(every_epochs * steps_per_epoch))))


@SCHEDULES.register("exponential")
def exponential(
    optimizer: Optimizer, epochs: float, steps_per_epoch: int, *, factor: Inside = 0.9
) -> LRScheduler:
    """Exponential decay by a factor per epoch, applied in every step.

    Args:
        optimizer: optimizer to schedule.
        epochs: length of the schedule.
        steps_per_epoch: training steps per epoch.
        factor: decay per epoch.
    """
    from torch.optim.lr_scheduler import LambdaLR

    return LambdaLR(optimizer, lambda done: factor ** (done / steps_per_epoch))


@SCHEDULES.register("polynomial")
def polynomial(
    optimizer: Optimizer,
    epochs: float,
    steps_per_epoch: int,
    *,
    power: Annotated[float, Field(gt=0)] = 0.9,
    final_factor: Share = 0.0,
) -> LRScheduler:
    """Polynomial decay, (1 - progress) ** power, as in DeepLab; a power of 1 is linear.

    Args:
        optimizer: optimizer to schedule.
        epochs: length of the schedule.
        steps_per_epoch: training steps per epoch.
        power: exponent of the decay.
        final_factor: share of the learning rate at the end.
    """

    def factor(progress: float) -> float:
        return float(final_factor + (1 - final_factor) * (1 - progress) ** power)

    return curve(optimizer, epochs, steps_per_epoch, factor)

"""Step decay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from segkit.core.registry import SCHEDULES
from segkit.parts.schedules._options import Inside

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler


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

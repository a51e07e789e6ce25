"""Exponential decay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segkit.core.registry import SCHEDULES
from segkit.parts.schedules._options import Inside

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler


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

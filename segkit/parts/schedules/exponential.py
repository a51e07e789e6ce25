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
    """Down by a factor every epoch, a little after every step.

    Args:
        optimizer: whose learning rates move.
        epochs: to the end.
        steps_per_epoch: training steps in an epoch.
        factor: of an epoch.
    """
    from torch.optim.lr_scheduler import LambdaLR

    return LambdaLR(optimizer, lambda done: factor ** (done / steps_per_epoch))

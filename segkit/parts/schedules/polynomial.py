"""Polynomial decay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from segkit.core.registry import SCHEDULES
from segkit.parts.schedules._curve import curve
from segkit.parts.schedules._options import Share

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler


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

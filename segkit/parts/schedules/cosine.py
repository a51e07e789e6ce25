"""Cosine annealing, without and with restarts: cosine, cosine_restarts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from segkit.core.registry import SCHEDULES
from segkit.parts.schedules._curve import curve, half_cosine
from segkit.parts.schedules._options import Share

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler


@SCHEDULES.register("cosine")
def cosine(
    optimizer: Optimizer, epochs: float, steps_per_epoch: int, *, final_factor: Share = 0.0
) -> LRScheduler:
    """Cosine annealing, by default to 0 (Loshchilov and Hutter, 2017).

    Args:
        optimizer: optimizer to schedule.
        epochs: length of the schedule.
        steps_per_epoch: training steps per epoch.
        final_factor: share of the learning rate at the end.
    """
    return curve(
        optimizer, epochs, steps_per_epoch, lambda progress: half_cosine(1.0, final_factor, progress)
    )


@SCHEDULES.register("cosine_restarts")
def cosine_restarts(
    optimizer: Optimizer,
    epochs: float,
    steps_per_epoch: int,
    *,
    cycles: Annotated[int, Field(ge=1)] = 4,
    final_factor: Share = 0.0,
) -> LRScheduler:
    """Cosine annealing with warm restarts, in cycles of equal length (Loshchilov and Hutter, 2017).

    Args:
        optimizer: optimizer to schedule.
        epochs: length of the schedule.
        steps_per_epoch: training steps per epoch.
        cycles: number of cycles.
        final_factor: share of the learning rate at the end of each cycle.
    """

    def factor(progress: float) -> float:
        return half_cosine(1.0, final_factor, progress * cycles % 1 if progress < 1 else 1.0)

    return curve(optimizer, epochs, steps_per_epoch, factor)

"""Cosine schedules: cosine, cosine_restarts, one_cycle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from segkit.core.registry import SCHEDULES
from segkit.parts.schedules._curve import Inside, Share, curve, half_cosine

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


@SCHEDULES.register("one_cycle")
def one_cycle(
    optimizer: Optimizer,
    epochs: float,
    steps_per_epoch: int,
    *,
    rise: Inside = 0.3,
    start_factor: Inside = 0.04,
    final_factor: Share = 1e-5,
) -> LRScheduler:
    """One cycle: warm-up to the learning rate, then annealing, by half cosines (Smith and Topin, 2018).

    The momentum stays constant.

    Args:
        optimizer: optimizer to schedule.
        epochs: length of the schedule.
        steps_per_epoch: training steps per epoch.
        rise: share of the steps in the warm-up.
        start_factor: share of the learning rate at the start.
        final_factor: share of the learning rate at the end.
    """

    def factor(progress: float) -> float:
        if progress < rise:
            return half_cosine(start_factor, 1.0, progress / rise)
        return half_cosine(1.0, final_factor, (progress - rise) / (1 - rise))

    return curve(optimizer, epochs, steps_per_epoch, factor)

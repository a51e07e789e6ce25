"""The one-cycle schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segkit.core.registry import SCHEDULES
from segkit.parts.schedules._curve import curve, half_cosine
from segkit.parts.schedules._options import Inside, Share

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler


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

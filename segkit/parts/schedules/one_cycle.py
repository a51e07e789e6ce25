"""The one-cycle schedule: up and down by half cosines."""

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
    """Up to the learning rate and down to nothing, by half cosines (Smith and Topin, 2018).

    Only the learning rate moves; momentum stays.

    Args:
        optimizer: whose learning rates move.
        epochs: to the end.
        steps_per_epoch: training steps in an epoch.
        rise: share of the steps that go up.
        start_factor: of the learning rate, where the rise begins.
        final_factor: of the learning rate, what is left at the end.
    """

    def factor(progress: float) -> float:
        if progress < rise:
            return half_cosine(start_factor, 1.0, progress / rise)
        return half_cosine(1.0, final_factor, (progress - rise) / (1 - rise))

    return curve(optimizer, epochs, steps_per_epoch, factor)

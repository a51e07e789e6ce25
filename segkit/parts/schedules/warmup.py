"""Linear warm-up before a schedule."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler


def build_schedule(
    factory: Callable[..., LRScheduler],
    optimizer: Optimizer,
    epochs: int,
    steps_per_epoch: int,
    *,
    warmup_epochs: float,
    options: dict[str, Any],
) -> LRScheduler:
    """Build a schedule, with a linear warm-up from 0 if `warmup_epochs` is above 0.

    Args:
        factory: function that builds the schedule.
        optimizer: optimizer to schedule.
        epochs: epochs of the training, warm-up included.
        steps_per_epoch: training steps per epoch.
        warmup_epochs: length of the warm-up.
        options: options of the schedule.
    """
    warmup = min(round(warmup_epochs * steps_per_epoch), epochs * steps_per_epoch - 1)
    if warmup <= 0:
        return factory(optimizer, epochs, steps_per_epoch, **options)
    from torch.optim.lr_scheduler import LambdaLR, SequentialLR

    rise = LambdaLR(optimizer, lambda done: (done + 1) / (warmup + 1))
    rest = factory(optimizer, epochs - warmup / steps_per_epoch, steps_per_epoch, **options)
    return SequentialLR(optimizer, [rise, rest], milestones=[warmup])

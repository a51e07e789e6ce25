"""Constant learning rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segkit.core.registry import SCHEDULES
from segkit.parts.schedules._curve import curve

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler


@SCHEDULES.register("constant")
def constant(optimizer: Optimizer, epochs: float, steps_per_epoch: int) -> LRScheduler:
    """Constant learning rate."""
    return curve(optimizer, epochs, steps_per_epoch, lambda progress: 1.0)

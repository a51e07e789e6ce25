"""Curves of progress, from 0 at the first step to 1 at the last."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler


def curve(
    optimizer: Optimizer, epochs: float, steps_per_epoch: int, factor: Callable[[float], float]
) -> LRScheduler:
    """The schedule that multiplies the learning rate of every group by a factor of progress."""
    from torch.optim.lr_scheduler import LambdaLR

    last = max(round(epochs * steps_per_epoch) - 1, 1)
    return LambdaLR(optimizer, lambda done: factor(min(done / last, 1.0)))


def half_cosine(begin: float, end: float, progress: float) -> float:
    """From `begin` to `end` by half a cosine."""
    return end + (begin - end) * (1 + math.cos(math.pi * progress)) / 2

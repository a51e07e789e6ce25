"""Learning-rate factor as a function of progress, 0 at the first step and 1 at the last. No torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

Share = Annotated[float, Field(ge=0, le=1)]
Inside = Annotated[float, Field(gt=0, lt=1)]


def curve(
    optimizer: Optimizer, epochs: float, steps_per_epoch: int, factor: Callable[[float], float]
) -> LRScheduler:
    """Schedule that multiplies the learning rate of every group by `factor(progress)`."""
    from torch.optim.lr_scheduler import LambdaLR

    last = max(round(epochs * steps_per_epoch) - 1, 1)
    return LambdaLR(optimizer, lambda done: factor(min(done / last, 1.0)))


def half_cosine(begin: float, end: float, progress: float) -> float:
    """Half a cosine from `begin` to `end`."""
    return end + (begin - end) * (1 + math.cos(math.pi * progress)) / 2

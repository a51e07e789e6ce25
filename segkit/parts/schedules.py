"""Learning-rate schedules of torch, moved on after every step; lengths in epochs, never in steps.

Each is a curve of progress, from 0 at the first step to 1 at the last, that multiplies the optimiser's
learning rates, group by group.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from segkit.core.registry import SCHEDULES

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

Share = Annotated[float, Field(ge=0, le=1)]
Inside = Annotated[float, Field(gt=0, lt=1)]


@SCHEDULES.register("constant")
def constant(optimizer: Optimizer, epochs: float, steps_per_epoch: int) -> LRScheduler:
    """The same learning rate throughout."""
    return _curve(optimizer, epochs, steps_per_epoch, lambda progress: 1.0)


@SCHEDULES.register("cosine")
def cosine(
    optimizer: Optimizer, epochs: float, steps_per_epoch: int, *, final_factor: Share = 0.0
) -> LRScheduler:
    """Half a cosine from the learning rate to (almost) nothing (Loshchilov and Hutter, 2017).

    Args:
        optimizer: whose learning rates move.
        epochs: to the end.
        steps_per_epoch: training steps in an epoch.
        final_factor: of the learning rate, what is left at the end.
    """
    return _curve(optimizer, epochs, steps_per_epoch, lambda progress: _cosine(1.0, final_factor, progress))


@SCHEDULES.register("cosine_restarts")
def cosine_restarts(
    optimizer: Optimizer,
    epochs: float,
    steps_per_epoch: int,
    *,
    cycles: Annotated[int, Field(ge=1)] = 4,
    final_factor: Share = 0.0,
) -> LRScheduler:
    """Several falling cosines, one after the other (Loshchilov and Hutter, 2017).

    Args:
        optimizer: whose learning rates move.
        epochs: to the end.
        steps_per_epoch: training steps in an epoch.
        cycles: how many, all of one length.
        final_factor: of the learning rate, what is left at the end of each.
    """

    def factor(progress: float) -> float:
        return _cosine(1.0, final_factor, progress * cycles % 1 if progress < 1 else 1.0)

    return _curve(optimizer, epochs, steps_per_epoch, factor)


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
            return _cosine(start_factor, 1.0, progress / rise)
        return _cosine(1.0, final_factor, (progress - rise) / (1 - rise))

    return _curve(optimizer, epochs, steps_per_epoch, factor)


@SCHEDULES.register("polynomial")
def polynomial(
    optimizer: Optimizer,
    epochs: float,
    steps_per_epoch: int,
    *,
    power: Annotated[float, Field(gt=0)] = 0.9,
    final_factor: Share = 0.0,
) -> LRScheduler:
    """(1 - progress) ** power, as DeepLab has it; a power of 1 is a straight line.

    Args:
        optimizer: whose learning rates move.
        epochs: to the end.
        steps_per_epoch: training steps in an epoch.
        power: how the fall bends.
        final_factor: of the learning rate, what is left at the end.
    """

    def factor(progress: float) -> float:
        return float(final_factor + (1 - final_factor) * (1 - progress) ** power)

    return _curve(optimizer, epochs, steps_per_epoch, factor)


@SCHEDULES.register("step")
def step(
    optimizer: Optimizer,
    epochs: float,
    steps_per_epoch: int,
    *,
    every_epochs: Annotated[float, Field(gt=0)] = 10.0,
    factor: Inside = 0.1,
) -> LRScheduler:
    """Down by a factor every so many epochs.

    Args:
        optimizer: whose learning rates move.
        epochs: to the end.
        steps_per_epoch: training steps in an epoch.
        every_epochs: between two falls.
        factor: of each fall.
    """
    from torch.optim.lr_scheduler import LambdaLR

    return LambdaLR(optimizer, lambda done: factor ** (done // max(1, round(every_epochs * steps_per_epoch))))


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


def build_schedule(
    factory: Callable[..., LRScheduler],
    optimizer: Optimizer,
    epochs: int,
    steps_per_epoch: int,
    *,
    warmup_epochs: float,
    options: dict[str, Any],
) -> LRScheduler:
    """A schedule, behind a linear rise from nothing if one is asked for.

    Args:
        factory: of the schedule.
        optimizer: whose learning rates move.
        epochs: of the whole training, warm-up included.
        steps_per_epoch: training steps in an epoch.
        warmup_epochs: of the rise; at most all.
        options: of the schedule.
    """
    warmup = min(round(warmup_epochs * steps_per_epoch), epochs * steps_per_epoch - 1)
    if warmup <= 0:
        return factory(optimizer, epochs, steps_per_epoch, **options)
    from torch.optim.lr_scheduler import LambdaLR, SequentialLR

    rise = LambdaLR(optimizer, lambda done: (done + 1) / (warmup + 1))
    rest = factory(optimizer, epochs - warmup / steps_per_epoch, steps_per_epoch, **options)
    return SequentialLR(optimizer, [rise, rest], milestones=[warmup])


def _curve(
    optimizer: Optimizer, epochs: float, steps_per_epoch: int, factor: Callable[[float], float]
) -> LRScheduler:
    from torch.optim.lr_scheduler import LambdaLR

    last = max(round(epochs * steps_per_epoch) - 1, 1)
    return LambdaLR(optimizer, lambda done: factor(min(done / last, 1.0)))


def _cosine(begin: float, end: float, progress: float) -> float:
    return end + (begin - end) * (1 + math.cos(math.pi * progress)) / 2

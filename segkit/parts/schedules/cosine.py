"""Falling cosines, one or several: cosine, cosine_restarts."""

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
    """Half a cosine from the learning rate to (almost) nothing (Loshchilov and Hutter, 2017).

    Args:
        optimizer: whose learning rates move.
        epochs: to the end.
        steps_per_epoch: training steps in an epoch.
        final_factor: of the learning rate, what is left at the end.
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
    """Several falling cosines, one after the other (Loshchilov and Hutter, 2017).

    Args:
        optimizer: whose learning rates move.
        epochs: to the end.
        steps_per_epoch: training steps in an epoch.
        cycles: how many, all of one length.
        final_factor: of the learning rate, what is left at the end of each.
    """

    def factor(progress: float) -> float:
        return half_cosine(1.0, final_factor, progress * cycles % 1 if progress < 1 else 1.0)

    return curve(optimizer, epochs, steps_per_epoch, factor)

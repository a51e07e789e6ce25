"""Weighted sum of losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from segkit.core.errors import PartError

if TYPE_CHECKING:
    from torch import Tensor

    from segkit.core.types import Loss


def weighted_sum(losses: Sequence[tuple[float, Loss]]) -> Loss:
    """The sum of weight * loss; weights are not normalised.

    Args:
        losses: pairs of weight and loss.

    Raises:
        PartError: if there is no loss, or a weight is negative.
    """
    if not losses:
        raise PartError("the list of losses is empty", hint="name at least one, such as dice")
    if negative := [weight for weight, _ in losses if weight < 0]:
        raise PartError(f"a loss has the weight {negative[0]}", hint="weights are 0 or more")

    def total(logits: Tensor, target: Tensor) -> Tensor:
        first, *rest = (weight * loss(logits, target) for weight, loss in losses)
        return sum(rest, start=first)

    return total

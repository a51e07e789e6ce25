"""Reduction of scores per class to one score per image."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from segkit.core.types import Task

Rows = Callable[[Tensor, Tensor], Tensor]  # logits and target of B images -> numbers for each, (B, N)


def ratio(part: Tensor, whole: Tensor, *, empty: float = torch.nan) -> Tensor:
    """`part / whole` in float64; `empty` where `whole` is 0."""
    return (part.double() / whole.double()).where(whole > 0, empty)


def mean_of_classes(task: Task, values: Tensor, *, present: Tensor, known: Tensor) -> Tensor:
    """Mean over the classes with any known pixel, (B, K) -> (B, 1); NaN if there is no such class.

    For multiclass tasks only classes in the image count, as most classes are in few images; all count if none
    is in it.

    Args:
        task: kind of masks, classes and ignored value.
        values: float64 (B, K).
        present: whether the class is in the image (B, K).
        known: whether any pixel is known (B, K).
    """
    used = known
    if task.kind == "multiclass":
        used = known & (present | ~present.any(1, keepdim=True))
    return mean_of_defined(values.where(used, torch.nan))


def mean_of_defined(values: Tensor) -> Tensor:
    """Mean of each row without NaN, (B, K) -> (B, 1); NaN for a row of NaN."""
    # Row by row: the order of summation (the last bit) must not depend on the number of rows.
    return torch.stack([row.nanmean() for row in values]).unsqueeze(1)

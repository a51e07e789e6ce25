"""From a number per image and class to a number per image."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from segkit.core.types import Task

Rows = Callable[[Tensor, Tensor], Tensor]  # logits and target of B images -> numbers for each, (B, N)


def ratio(part: Tensor, whole: Tensor, *, empty: float = torch.nan) -> Tensor:
    """Part / whole in float64; `empty` where the whole is 0."""
    return (part.double() / whole.double()).where(whole > 0, empty)


def mean_of_classes(task: Task, values: Tensor, *, present: Tensor, known: Tensor) -> Tensor:
    """The mean over the classes that count, (B, K) -> (B, 1); NaN where none does.

    A class counts if any of its pixels is known. For multiclass tasks it must be present too, as most classes
    are in few images; unless none is present, when all count.

    Args:
        task: what is predicted.
        values: float64 (B, K).
        present: whether there is anything of the class in the image (B, K).
        known: whether any pixel is known (B, K).
    """
    counts = known
    if task.kind == "multiclass":
        counts = known & (present | ~present.any(1, keepdim=True))
    return mean_of_defined(values.where(counts, torch.nan))


def mean_of_defined(values: Tensor) -> Tensor:
    """The mean of each row without its NaN, (B, K) -> (B, 1); NaN for a row of NaN."""
    # Row by row: the order of summation, and so the last bit, must not depend on the number of rows.
    return torch.stack([row.nanmean() for row in values]).unsqueeze(1)

"""Logits to probabilities and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from segkit.core.types import Pixels, Task

# Near the smallest float32, and between its largest number below 1 and 1.
MIN_PROBABILITY, MAX_PROBABILITY = 1e-38, 1 - 2**-25
_SURE = 100.0  # logit of a pixel that is in a mask


def probabilities_of(logits: Tensor, task: Task) -> Tensor:
    """Logits (B, K, H, W) -> probabilities: softmax for multiclass, sigmoid otherwise."""
    return logits.softmax(dim=1) if task.kind == "multiclass" else logits.sigmoid()


def probabilities_to_logits(probabilities: npt.NDArray[np.float32] | Tensor, task: Task) -> Tensor:
    """Inverse of `probabilities_of`: finite float64 logits (B, K, H, W), for metrics.

    A probability is above a threshold if and only if its logit is.
    """
    exact = torch.as_tensor(probabilities).double().clamp(MIN_PROBABILITY, MAX_PROBABILITY)
    return exact.log() if task.kind == "multiclass" else exact.logit()


def mask_to_logits(mask: Pixels, task: Task) -> Tensor:
    """A mask (H, W), or (H, W, K) for multilabel -> logits (1, K, H, W) of its classes, for metrics."""
    values = torch.from_numpy(mask)
    if task.kind == "multiclass":
        inside = values == torch.arange(task.channels, dtype=torch.uint8)[:, None, None]
    else:
        inside = (values if task.kind == "multilabel" else values[..., None]).permute(2, 0, 1) > 0
    return inside.float().mul_(2 * _SURE).sub_(_SURE)[None]

"""From probabilities back to logits, which metrics take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from segkit.core.types import Task
    from segkit.inference.network import Probabilities

# Of the numbers between 0 and 1 that float32 has, nearly the least, and one above the largest.
LEAST, MOST = 1e-38, 1 - 2**-25


def logits_of(probabilities: Probabilities, task: Task) -> Tensor:
    """Logits whose sigmoid, or softmax for multiclass, is these probabilities; finite.

    They are float64: a probability is above a threshold if and only if its logit is.

    Shape:
        probabilities: (B, K, H, W) float32.
        output: the same.
    """
    exact = torch.from_numpy(probabilities).double().clamp(LEAST, MOST)
    return exact.log() if task.kind == "multiclass" else exact.logit()

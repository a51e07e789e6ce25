"""The computation behind `generalized_cross_entropy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from segkit import Task

if TYPE_CHECKING:
    from segkit.core.types import Loss


def generalized_cross_entropy_loss(task: Task, *, q: float) -> Loss:
    """The mean over the known pixels of the batch (and over classes, for multilabel)."""

    def loss(logits: Tensor, target: Tensor) -> Tensor:
        """Logits (B, K, H, W), target (B, H, W), or (B, K, H, W) for multilabel -> scalar."""
        task.check_shapes(logits, target)
        known = torch.ones_like(target, dtype=torch.bool)
        if task.ignore_index is not None:
            known = target != task.ignore_index
        log_p = _log_probability_of_truth(task, logits.float(), target)
        terms = -torch.expm1(q * log_p) / q  # of log p rather than p, whose gradient is infinite at 0
        return (terms * known).sum() / known.sum().clamp_min(1)

    return loss


def _log_probability_of_truth(task: Task, logits: Tensor, target: Tensor) -> Tensor:
    """How likely what is true was to the model, of the target's shape; anything where it is ignored."""
    if task.kind == "multiclass":
        # A comparison rather than an index: ignored labels such as 255 are beyond the classes.
        classes = torch.arange(task.channels, device=target.device).view(1, -1, 1, 1)
        truth = target.unsqueeze(1) == classes
        return (logits.log_softmax(1) * truth).sum(1)
    if task.kind == "binary":
        logits = logits.squeeze(1)
    return F.logsigmoid(torch.where(target == 1, logits, -logits))

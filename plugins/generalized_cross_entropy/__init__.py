"""A loss for masks with errors: cross-entropy that gives less weight to improbable labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from segkit import LOSSES, Task

if TYPE_CHECKING:
    from segkit.core.types import Loss


@LOSSES.register("generalized_cross_entropy")
def generalized_cross_entropy(task: Task, *, q: Annotated[float, Field(gt=0, le=1)] = 0.7) -> Loss:
    """Cross-entropy for masks with errors: the mean over pixels of (1 - p ** q) / q, p of the true class.

    Sigmoid for binary and multilabel tasks, softmax for multiclass.
    Source: Zhang and Sabuncu 2018, Generalized Cross Entropy Loss for Training Deep Neural Networks with
    Noisy Labels, arXiv:1805.07836.

    Args:
        task: what is predicted.
        q: how little a label counts that the model finds unlikely: near 0 it is cross-entropy, 1 is the mean
            absolute error.
    """
    from ._generalized_cross_entropy import generalized_cross_entropy_loss

    return generalized_cross_entropy_loss(task, q=q)

"""Lovász losses: convex surrogates of the Jaccard index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from segkit.core.registry import LOSSES

if TYPE_CHECKING:
    from segkit.core.types import Loss, Task


@LOSSES.register("lovasz")
def lovasz(task: Task, *, over: Literal["image", "batch"] = "image") -> Loss:
    """Lovász extension of the Jaccard loss: hinge for binary and multilabel tasks, softmax for multiclass.

    Averaged over images and classes; for multiclass over the classes in the truth.
    Source: Berman et al. 2018, The Lovász-Softmax loss, algorithm 1 and equations 9 to 12.

    Args:
        task: kind of masks, classes and ignored value.
        over: "image" sorts the pixels of each image and averages; "batch" sorts those of the whole batch.
    """
    from segkit.parts.losses._lovasz import lovasz_loss

    return lovasz_loss(task, over=over)

"""The Lovász losses: a convex stand-in for the Jaccard index itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from segkit.core.registry import LOSSES

if TYPE_CHECKING:
    from segkit.core.types import Loss, Task


@LOSSES.register("lovasz")
def lovasz(task: Task, *, over: Literal["image", "batch"] = "image") -> Loss:
    """Lovász extension of the Jaccard loss: hinge for binary and multilabel tasks, softmax for multiclass.

    The mean over images and classes; with softmax over the classes that the truth contains.
    Source: Berman et al. 2018, The Lovász-Softmax loss, algorithm 1 and equations 9 to 12.

    Args:
        task: what is predicted.
        over: "image" ranks the pixels of each image alone and takes the mean; "batch" ranks the whole batch.
    """
    from segkit.parts.losses._lovasz import lovasz_loss

    return lovasz_loss(task, over=over)

"""The boundary loss: wrong pixels count by their distance from the true contour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segkit import LOSSES, Task

if TYPE_CHECKING:
    from segkit.core.types import Loss


@LOSSES.register("boundary_loss")
def boundary_loss(task: Task) -> Loss:
    """Mean over known pixels and classes of the probability times the signed distance to the true contour.

    The distance is negative inside, positive outside, and measured in image diagonals, so that a weight means
    the same at every image size. The smallest value is negative, and an image without a contour, all inside
    or all outside, adds nothing: use it in a sum with a region loss, such as jaccard.
    Source: Kervadec et al. 2019, Boundary loss for highly unbalanced segmentation, arXiv:1812.07032.

    Args:
        task: what is predicted, of any kind; the classes weigh the same.
    """
    from ._boundary_loss import boundary_loss_of

    return boundary_loss_of(task)

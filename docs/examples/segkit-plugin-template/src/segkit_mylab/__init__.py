"""The parts of this package. To list them segkit imports this file, so nothing slow is imported here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from segkit import DECODERS, LOSSES, Pyramid, Task

if TYPE_CHECKING:
    from torch import nn

    from segkit.core.types import Loss


@DECODERS.register("lraspp", features=[-3, -1])
def lraspp(pyramid: Pyramid, *, width: Annotated[int, Field(ge=1)] = 128) -> nn.Module:
    """LR-ASPP of MobileNetV3: a coarse map, gated by what the whole image holds, beside a fine one.

    It asks for the last map and the one two before it, of strides 32 and 8 in most encoders.
    Source: Howard et al. 2019, Searching for MobileNetV3, arXiv:1905.02244. Unlike there, the coarse map is
    normalised by GroupNorm, so that a batch may be one small image, and pooled as a whole.

    Args:
        pyramid: the two feature maps that come in.
        width: channels that the coarse map is brought to.

    Raises:
        ShapeError: if more or fewer than two maps come in.
    """
    from ._lraspp import LrAspp

    return LrAspp(pyramid, width=width)


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

"""The decoder of MobileNetV3: a gated coarse map beside a fine one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from segkit import DECODERS, Pyramid

if TYPE_CHECKING:
    from torch import nn


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

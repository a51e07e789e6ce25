"""The smallest decoder: one convolution on the encoder's last map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from segkit import DECODERS, Pyramid

if TYPE_CHECKING:
    from torch import nn


@DECODERS.register("one_conv", features="last")
def one_conv(pyramid: Pyramid, *, width: Annotated[int, Field(ge=1)] = 32) -> nn.Module:
    """One convolution on the last map.

    Args:
        pyramid: the feature maps that come in.
        width: channels of the map that comes out.
    """
    from ._one_conv import OneConv  # here, so that listing parts does not wait for torch

    return OneConv(pyramid.channels[-1], width)

"""A light U-Net decoder: convolutions are depthwise-separable where they are wide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from segkit import DECODERS, Pyramid

if TYPE_CHECKING:
    from torch import nn

Width = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


@DECODERS.register("separable_unet")
def separable_unet(
    pyramid: Pyramid,
    *,
    channels: Annotated[tuple[Width, ...], Field(min_length=1)] = (256, 128, 64, 32, 16),
    dense_up_to: Annotated[int, Field(ge=0)] = 64,
    kernel_size: Literal[3, 5, 7] = 3,
    dropout: Share = 0.1,
) -> nn.Module:
    """U-Net with depthwise-separable convolutions in its wide steps, where most parameters would be.

    Each step narrows the coarser map, doubles its resolution by a transposed convolution beside a bilinear
    shortcut, and joins it with the next finer map, where there is one.
    Sources: Ronneberger et al. 2015, U-Net, arXiv:1505.04597; Howard et al. 2017, MobileNets,
    arXiv:1704.04861, section 3.1.

    Args:
        pyramid: the feature maps that come in.
        channels: width of each step, coarsest first: one for each finer map, and any number of doublings
            behind them.
        dense_up_to: steps up to this width have ordinary convolutions, which cost little there.
        kernel_size: of the depthwise convolutions that join maps.
        dropout: share of channels that are dropped while training, of each map that comes in and each step.

    Raises:
        PartError: if there are more finer maps than widths.
    """
    from ._separable_unet import SeparableUnet

    return SeparableUnet(
        pyramid, channels=channels, dense_up_to=dense_up_to, kernel_size=kernel_size, dropout=dropout
    )

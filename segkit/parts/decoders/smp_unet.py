"""U-Net and its relatives, of segmentation-models-pytorch (smp) with its defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segkit.core.registry import DECODERS
from segkit.parts.decoders._smp_options import Attention, Norm, Upsampling, Width, Widths

if TYPE_CHECKING:
    from torch import nn

    from segkit.core.types import Pyramid


@DECODERS.register("unet")
def unet(
    pyramid: Pyramid,
    *,
    channels: Widths = (256, 128, 64, 32, 16),
    norm: Norm = "batchnorm",
    attention: Attention = None,
    interpolation: Upsampling = "nearest",
    center: bool = False,
) -> nn.Module:
    """U-Net (Ronneberger et al., 2015).

    Args:
        pyramid: the feature maps that come in.
        channels: width of each level, coarsest first; as many as the encoder has halvings.
        norm: in each block.
        attention: "scse" weighs channels and places (Roy et al., 2018).
        interpolation: how maps grow.
        center: two more convolutions on the coarsest map.
    """
    from segkit.parts.decoders._smp_unet import unet as build

    return build(pyramid, channels, norm, attention, interpolation=interpolation, center=center)


@DECODERS.register("unetplusplus")
def unetplusplus(
    pyramid: Pyramid,
    *,
    channels: Widths = (256, 128, 64, 32, 16),
    norm: Norm = "batchnorm",
    attention: Attention = None,
    interpolation: Upsampling = "nearest",
    center: bool = False,
) -> nn.Module:
    """U-Net++, with nested skips (Zhou et al., 2018).

    Args:
        pyramid: the feature maps that come in.
        channels: width of each level, coarsest first; as many as the encoder has halvings.
        norm: in each block.
        attention: "scse" weighs channels and places (Roy et al., 2018).
        interpolation: how maps grow.
        center: two more convolutions on the coarsest map.
    """
    from segkit.parts.decoders._smp_unet import unetplusplus as build

    return build(pyramid, channels, norm, attention, interpolation=interpolation, center=center)


@DECODERS.register("manet")
def manet(
    pyramid: Pyramid,
    *,
    channels: Widths = (256, 128, 64, 32, 16),
    norm: Norm = "batchnorm",
    reduction: Width = 16,
    attention_channels: Width = 64,
    interpolation: Upsampling = "nearest",
) -> nn.Module:
    """MA-Net, with attention between places and between scales (Fan et al., 2020).

    Args:
        pyramid: the feature maps that come in.
        channels: width of each level, coarsest first; as many as the encoder has halvings.
        norm: in each block.
        reduction: how much narrower the attention's bottleneck is.
        attention_channels: width of the attention between places.
        interpolation: how maps grow.
    """
    from segkit.parts.decoders._smp_unet import manet as build

    return build(pyramid, channels, norm, reduction, attention_channels, interpolation=interpolation)


@DECODERS.register("linknet")
def linknet(pyramid: Pyramid, *, prefinal_channels: Width = 32, norm: Norm = "batchnorm") -> nn.Module:
    """LinkNet, which adds skips instead of concatenating them (Chaurasia and Culurciello, 2017).

    Args:
        pyramid: the feature maps that come in.
        prefinal_channels: width of the map that comes out.
        norm: in each block.
    """
    from segkit.parts.decoders._smp_unet import linknet as build

    return build(pyramid, prefinal_channels, norm)

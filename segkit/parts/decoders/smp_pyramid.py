"""Feature pyramids and pyramid pooling, of segmentation-models-pytorch (smp) with its defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from segkit.core.registry import DECODERS
from segkit.parts.decoders._smp_options import Norm, OfGroups, Rates, Share, Upsampling, Width

if TYPE_CHECKING:
    from torch import nn

    from segkit.core.types import Pyramid


@DECODERS.register("fpn")
def fpn(
    pyramid: Pyramid,
    *,
    pyramid_channels: Width = 256,
    segmentation_channels: OfGroups = 128,
    dropout: Share = 0.2,
    merge: Literal["add", "cat"] = "add",
    interpolation: Upsampling = "nearest",
) -> nn.Module:
    """Feature pyramid network (Kirillov et al., 2019).

    Args:
        pyramid: the feature maps that come in.
        pyramid_channels: width of the pyramid's levels.
        segmentation_channels: width of the map that comes out; its norm has 32 groups.
        dropout: share of channels that are dropped while training.
        merge: add the levels or concatenate them.
        interpolation: how maps grow.
    """
    from segkit.parts.decoders._smp_pyramid import fpn as build

    return build(
        pyramid, pyramid_channels, segmentation_channels, dropout, merge=merge, interpolation=interpolation
    )


@DECODERS.register("pspnet")
def pspnet(
    pyramid: Pyramid, *, channels: Width = 512, norm: Norm = "batchnorm", dropout: Share = 0.2
) -> nn.Module:
    """Pyramid scene parsing network, which pools the coarsest map at four scales (Zhao et al., 2017).

    smp takes the map of reduction 8; choose another by `model.encoder.features`.

    Args:
        pyramid: the feature maps that come in.
        channels: width of the map that comes out.
        norm: in each block.
        dropout: share of channels that are dropped while training.
    """
    from segkit.parts.decoders._smp_pyramid import pspnet as build

    return build(pyramid, channels, norm, dropout)


@DECODERS.register("pan")
def pan(pyramid: Pyramid, *, channels: Width = 32, interpolation: Upsampling = "bilinear") -> nn.Module:
    """Pyramid attention network (Li et al., 2018).

    A coarsest map of less than 8x8 cells is enlarged to that, as the attention halves it three times.

    Args:
        pyramid: the feature maps that come in.
        channels: width of the map that comes out.
        interpolation: how maps grow.
    """
    from segkit.parts.decoders._smp_pyramid import pan as build

    return build(pyramid, channels, interpolation=interpolation)


@DECODERS.register("deeplabv3")
def deeplabv3(
    pyramid: Pyramid,
    *,
    channels: Width = 256,
    atrous_rates: Rates = (12, 24, 36),
    separable: bool = False,
    dropout: Share = 0.5,
) -> nn.Module:
    """DeepLabV3, atrous convolutions at several rates (Chen et al., 2017).

    The encoder keeps its strides here: smp would dilate its last stages instead.

    Args:
        pyramid: the feature maps that come in.
        channels: width of the map that comes out.
        atrous_rates: dilation of the parallel convolutions.
        separable: depthwise separable convolutions.
        dropout: share of values that are dropped while training.
    """
    from segkit.parts.decoders._smp_pyramid import deeplabv3 as build

    return build(pyramid, channels, atrous_rates, separable=separable, dropout=dropout)


@DECODERS.register("deeplabv3plus")
def deeplabv3plus(
    pyramid: Pyramid,
    *,
    channels: Width = 256,
    atrous_rates: Rates = (12, 24, 36),
    separable: bool = True,
    dropout: Share = 0.5,
) -> nn.Module:
    """DeepLabV3+, which brings in the finer map of reduction 4 (Chen et al., 2018).

    The encoder keeps its strides here: smp would dilate its last stages instead.

    Args:
        pyramid: the feature maps that come in.
        channels: width of the map that comes out.
        atrous_rates: dilation of the parallel convolutions.
        separable: depthwise separable convolutions.
        dropout: share of values that are dropped while training.
    """
    from segkit.parts.decoders._smp_pyramid import deeplabv3plus as build

    return build(pyramid, channels, atrous_rates, separable=separable, dropout=dropout)


@DECODERS.register("upernet")
def upernet(
    pyramid: Pyramid, *, channels: Width = 256, norm: Literal["batchnorm", "identity"] = "batchnorm"
) -> nn.Module:
    """UPerNet, pyramid pooling over a feature pyramid (Xiao et al., 2018).

    Args:
        pyramid: the feature maps that come in.
        channels: width of the map that comes out.
        norm: in each block.
    """
    from segkit.parts.decoders._smp_pyramid import upernet as build

    return build(pyramid, channels, norm)

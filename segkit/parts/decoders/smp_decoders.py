"""The decoders of segmentation-models-pytorch (smp), over segkit's encoders, with its defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from segkit.core.registry import DECODERS

if TYPE_CHECKING:
    from torch import nn

    from segkit.core.types import Pyramid

Width = Annotated[int, Field(ge=1, le=65536)]
OfGroups = Annotated[int, Field(ge=32, le=65536, multiple_of=32)]
Widths = Annotated[tuple[Width, ...], Field(min_length=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Norm = Literal["batchnorm", "instancenorm", "identity"]
Attention = Literal["scse"] | None
Upsampling = Literal["nearest", "bilinear"]
Rates = tuple[Width, Width, Width]


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
    from segkit.parts.decoders._smp import unet as build

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
    from segkit.parts.decoders._smp import unetplusplus as build

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
    from segkit.parts.decoders._smp import manet as build

    return build(pyramid, channels, norm, reduction, attention_channels, interpolation=interpolation)


@DECODERS.register("linknet")
def linknet(pyramid: Pyramid, *, prefinal_channels: Width = 32, norm: Norm = "batchnorm") -> nn.Module:
    """LinkNet, which adds skips instead of concatenating them (Chaurasia and Culurciello, 2017).

    Args:
        pyramid: the feature maps that come in.
        prefinal_channels: width of the map that comes out.
        norm: in each block.
    """
    from segkit.parts.decoders._smp import linknet as build

    return build(pyramid, prefinal_channels, norm)


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
    from segkit.parts.decoders._smp import fpn as build

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
    from segkit.parts.decoders._smp import pspnet as build

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
    from segkit.parts.decoders._smp import pan as build

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
    from segkit.parts.decoders._smp import deeplabv3 as build

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
    from segkit.parts.decoders._smp import deeplabv3plus as build

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
    from segkit.parts.decoders._smp import upernet as build

    return build(pyramid, channels, norm)


@DECODERS.register("segformer")
def segformer(pyramid: Pyramid, *, channels: Width = 256) -> nn.Module:
    """SegFormer's all-MLP decoder (Xie et al., 2021).

    Args:
        pyramid: the feature maps that come in.
        channels: width of the map that comes out.
    """
    from segkit.parts.decoders._smp import segformer as build

    return build(pyramid, channels)


@DECODERS.register("dpt")
def dpt(
    pyramid: Pyramid,
    *,
    fusion_channels: Width = 256,
    widths: tuple[Width, Width, Width, Width] = (256, 512, 1024, 1024),
) -> nn.Module:
    """DPT, for encoders that keep one scale, such as ViT (dense prediction transformer, Ranftl et al., 2021).

    Args:
        pyramid: the feature maps that come in: four of one reduction, or the last four.
        fusion_channels: width of the map that comes out.
        widths: of the four maps before they are fused.
    """
    from segkit.parts.decoders._smp import dpt as build

    return build(pyramid, fusion_channels, widths)

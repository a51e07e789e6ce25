"""Feature-pyramid and pyramid-pooling decoders of segmentation-models-pytorch (smp), with its defaults."""

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
        pyramid: channels and reductions of the encoder's feature maps.
        pyramid_channels: width of the pyramid's levels.
        segmentation_channels: width of the output; a multiple of 32, as its norm has 32 groups.
        dropout: share of channels dropped in training.
        merge: "add" sums the levels, "cat" concatenates them.
        interpolation: upsampling method.
    """
    from segmentation_models_pytorch.decoders.fpn.decoder import FPNDecoder

    from segkit.parts.decoders._smp_adapters import FullPyramid, channels_by_halving

    widths = channels_by_halving("fpn", pyramid, required=(4, 8, 16, 32))
    decoder = FPNDecoder(
        widths, 5, pyramid_channels, segmentation_channels, dropout, merge, interpolation_mode=interpolation
    )
    return FullPyramid(decoder, pyramid)


@DECODERS.register("pspnet")
def pspnet(
    pyramid: Pyramid, *, channels: Width = 512, norm: Norm = "batchnorm", dropout: Share = 0.2
) -> nn.Module:
    """PSPNet, the map of reduction 8 pooled at four scales (pyramid scene parsing, Zhao et al., 2017).

    Without a map of reduction 8 the coarsest is used; choose another with `model.encoder.features`.

    Args:
        pyramid: channels and reductions of the encoder's feature maps.
        channels: width of the output.
        norm: normalisation in each block.
        dropout: share of channels dropped in training.
    """
    from segmentation_models_pytorch.decoders.pspnet.decoder import PSPDecoder

    from segkit.parts.decoders._smp_adapters import SelectedStages

    stage = pyramid.reductions.index(8) if 8 in pyramid.reductions else len(pyramid) - 1
    return SelectedStages(PSPDecoder([pyramid.channels[stage]], norm, channels, dropout), [stage])


@DECODERS.register("pan")
def pan(pyramid: Pyramid, *, channels: Width = 32, interpolation: Upsampling = "bilinear") -> nn.Module:
    """Pyramid attention network (Li et al., 2018).

    A coarsest map smaller than 8x8 is enlarged to that size, as the attention halves it three times.

    Args:
        pyramid: channels and reductions of the encoder's feature maps.
        channels: width of the output.
        interpolation: upsampling method.
    """
    from segmentation_models_pytorch.decoders.pan.decoder import PANDecoder

    from segkit.parts.decoders._smp_adapters import (
        FullPyramid,
        MinSize,
        allow_single_images,
        channels_by_halving,
    )

    widths = channels_by_halving("pan", pyramid, required=(4, 8, 16, 32))
    decoder = PANDecoder(widths, 5, channels, interpolation)
    decoder.fpa = MinSize(decoder.fpa, 8)  # it halves its map three times; smp dilates the encoder for that
    return FullPyramid(allow_single_images(decoder), pyramid)


@DECODERS.register("deeplabv3")
def deeplabv3(
    pyramid: Pyramid,
    *,
    channels: Width = 256,
    atrous_rates: Rates = (12, 24, 36),
    separable: bool = False,
    dropout: Share = 0.5,
) -> nn.Module:
    """DeepLabV3: parallel atrous convolutions on the coarsest map (Chen et al., 2017).

    The encoder keeps its strides; smp dilates its last stages instead.

    Args:
        pyramid: channels and reductions of the encoder's feature maps.
        channels: width of the output.
        atrous_rates: dilations of the parallel convolutions.
        separable: use depthwise separable convolutions.
        dropout: share of values dropped in training.
    """
    from segmentation_models_pytorch.decoders.deeplabv3.decoder import DeepLabV3Decoder

    from segkit.parts.decoders._smp_adapters import SelectedStages, allow_single_images

    decoder = DeepLabV3Decoder(pyramid.channels[-1], channels, atrous_rates, separable, dropout)
    return SelectedStages(allow_single_images(decoder), [len(pyramid) - 1])


@DECODERS.register("deeplabv3plus")
def deeplabv3plus(
    pyramid: Pyramid,
    *,
    channels: Width = 256,
    atrous_rates: Rates = (12, 24, 36),
    separable: bool = True,
    dropout: Share = 0.5,
) -> nn.Module:
    """DeepLabV3+: DeepLabV3 with a skip connection at reduction 4 (Chen et al., 2018).

    The encoder keeps its strides; smp dilates its last stages instead.

    Args:
        pyramid: channels and reductions of the encoder's feature maps.
        channels: width of the output.
        atrous_rates: dilations of the parallel convolutions.
        separable: use depthwise separable convolutions.
        dropout: share of values dropped in training.
    """
    from segmentation_models_pytorch.decoders.deeplabv3.decoder import DeepLabV3PlusDecoder

    from segkit.parts.decoders._smp_adapters import DeepLabV3Plus, allow_single_images, channels_by_halving

    channels_by_halving("deeplabv3plus", pyramid, required=(4,))
    fine = pyramid.reductions.index(4)
    ends = [0, 0, pyramid.channels[fine], pyramid.channels[-1]]
    decoder = DeepLabV3PlusDecoder(ends, 3, channels, atrous_rates, 16, separable, dropout)
    return DeepLabV3Plus(allow_single_images(decoder), fine)


@DECODERS.register("upernet")
def upernet(
    pyramid: Pyramid, *, channels: Width = 256, norm: Literal["batchnorm", "identity"] = "batchnorm"
) -> nn.Module:
    """UPerNet: pyramid pooling and a feature pyramid (Xiao et al., 2018).

    Args:
        pyramid: channels and reductions of the encoder's feature maps.
        channels: width of the output.
        norm: normalisation in each block.
    """
    from segmentation_models_pytorch.decoders.upernet.decoder import UPerNetDecoder

    from segkit.parts.decoders._smp_adapters import FullPyramid, allow_single_images, channels_by_halving

    widths = channels_by_halving("upernet", pyramid, required=(4, 8, 16, 32))
    return FullPyramid(allow_single_images(UPerNetDecoder(widths, 5, channels, norm)), pyramid)

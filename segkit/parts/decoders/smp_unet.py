"""U-Net and related decoders of segmentation-models-pytorch (smp), with its defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segkit.core.registry import DECODERS
from segkit.parts.decoders._smp_options import (
    Attention,
    Norm,
    Upsampling,
    Width,
    Widths,
    check_attention,
    check_levels,
)

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
        pyramid: channels and reductions of the encoder's feature maps.
        channels: width of each level, coarsest first; one for each halving of the encoder.
        norm: normalisation in each block.
        attention: "scse" adds channel and spatial attention (Roy et al., 2018).
        interpolation: upsampling method.
        center: two more convolutions on the coarsest map.
    """
    from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder

    from segkit.parts.decoders._smp_adapters import FullPyramid, channels_by_halving

    widths = channels_by_halving("unet", pyramid)
    check_levels("unet", widths, channels)
    check_attention("unet", attention, channels)
    decoder = UnetDecoder(
        widths, channels, len(channels), norm, attention, center, interpolation_mode=interpolation
    )
    return FullPyramid(decoder, pyramid)


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
    """U-Net++ with nested skip connections (Zhou et al., 2018).

    Args:
        pyramid: channels and reductions of the encoder's feature maps.
        channels: width of each level, coarsest first; one for each halving of the encoder.
        norm: normalisation in each block.
        attention: "scse" adds channel and spatial attention (Roy et al., 2018).
        interpolation: upsampling method.
        center: two more convolutions on the coarsest map.
    """
    from segmentation_models_pytorch.decoders.unetplusplus.decoder import UnetPlusPlusDecoder

    from segkit.parts.decoders._smp_adapters import FullPyramid, channels_by_halving

    # The nested blocks join neighbouring halvings; only the finest may have no map.
    required = [2**halving for halving in range(2, pyramid.reductions[-1].bit_length())]
    widths = channels_by_halving("unetplusplus", pyramid, required)
    check_levels("unetplusplus", widths, channels)
    check_attention("unetplusplus", attention, channels)
    decoder = UnetPlusPlusDecoder(
        widths, channels, len(channels), norm, attention, interpolation_mode=interpolation, center=center
    )
    return FullPyramid(decoder, pyramid)


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
    """MA-Net with position and multi-scale attention (Fan et al., 2020).

    Args:
        pyramid: channels and reductions of the encoder's feature maps.
        channels: width of each level, coarsest first; one for each halving of the encoder.
        norm: normalisation in each block.
        reduction: factor by which the attention bottleneck is narrower.
        attention_channels: width of the position attention.
        interpolation: upsampling method.
    """
    from segmentation_models_pytorch.decoders.manet.decoder import MAnetDecoder

    from segkit.parts.decoders._smp_adapters import FullPyramid, channels_by_halving

    widths = channels_by_halving("manet", pyramid)
    check_levels("manet", widths, channels)
    levels = list(channels)
    decoder = MAnetDecoder(
        widths, levels, len(levels), reduction, norm, attention_channels, interpolation_mode=interpolation
    )
    return FullPyramid(decoder, pyramid)


@DECODERS.register("linknet")
def linknet(pyramid: Pyramid, *, prefinal_channels: Width = 32, norm: Norm = "batchnorm") -> nn.Module:
    """LinkNet, with skip connections that are added, not concatenated (Chaurasia and Culurciello, 2017).

    Args:
        pyramid: channels and reductions of the encoder's feature maps.
        prefinal_channels: width of the output.
        norm: normalisation in each block.
    """
    from segmentation_models_pytorch.decoders.linknet.decoder import LinknetDecoder

    from segkit.parts.decoders._smp_adapters import FullPyramid, channels_by_halving

    widths = channels_by_halving("linknet", pyramid)
    return FullPyramid(LinknetDecoder(widths, prefinal_channels, len(widths) - 1, norm), pyramid)

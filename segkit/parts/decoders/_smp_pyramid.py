"""Feature pyramids and pyramid pooling of smp over segkit's pyramids; options as in `smp_pyramid`."""

from __future__ import annotations

from collections.abc import Sequence

from segmentation_models_pytorch.decoders.deeplabv3.decoder import DeepLabV3Decoder, DeepLabV3PlusDecoder
from segmentation_models_pytorch.decoders.fpn.decoder import FPNDecoder
from segmentation_models_pytorch.decoders.pan.decoder import PANDecoder
from segmentation_models_pytorch.decoders.pspnet.decoder import PSPDecoder
from segmentation_models_pytorch.decoders.upernet.decoder import UPerNetDecoder
from torch import nn

from segkit.core.types import Pyramid
from segkit.parts.decoders._smp_adapters import (
    DeepLabV3Plus,
    Enlarged,
    Ladder,
    OneMap,
    widths_by_halving,
    with_single_images,
)


def fpn(
    pyramid: Pyramid,
    pyramid_channels: int,
    segmentation_channels: int,
    dropout: float,
    *,
    merge: str,
    interpolation: str,
) -> nn.Module:
    widths = widths_by_halving("fpn", pyramid, needs=(4, 8, 16, 32))
    decoder = FPNDecoder(
        widths, 5, pyramid_channels, segmentation_channels, dropout, merge, interpolation_mode=interpolation
    )
    return Ladder(decoder, pyramid)


def pspnet(pyramid: Pyramid, channels: int, norm: str, dropout: float) -> nn.Module:
    stage = pyramid.reductions.index(8) if 8 in pyramid.reductions else len(pyramid) - 1
    return OneMap(PSPDecoder([pyramid.channels[stage]], norm, channels, dropout), stage)


def pan(pyramid: Pyramid, channels: int, *, interpolation: str) -> nn.Module:
    widths = widths_by_halving("pan", pyramid, needs=(4, 8, 16, 32))
    decoder = PANDecoder(widths, 5, channels, interpolation)
    decoder.fpa = Enlarged(decoder.fpa, 8)  # it halves its map three times; smp dilates the encoder for that
    return Ladder(with_single_images(decoder), pyramid)


def deeplabv3(
    pyramid: Pyramid, channels: int, atrous_rates: Sequence[int], *, separable: bool, dropout: float
) -> nn.Module:
    decoder = DeepLabV3Decoder(pyramid.channels[-1], channels, atrous_rates, separable, dropout)
    return OneMap(with_single_images(decoder), len(pyramid) - 1)


def deeplabv3plus(
    pyramid: Pyramid, channels: int, atrous_rates: Sequence[int], *, separable: bool, dropout: float
) -> nn.Module:
    widths_by_halving("deeplabv3plus", pyramid, needs=(4,))
    fine = pyramid.reductions.index(4)
    ends = [0, 0, pyramid.channels[fine], pyramid.channels[-1]]
    decoder = DeepLabV3PlusDecoder(ends, 3, channels, atrous_rates, 16, separable, dropout)
    return DeepLabV3Plus(with_single_images(decoder), fine)


def upernet(pyramid: Pyramid, channels: int, norm: str) -> nn.Module:
    widths = widths_by_halving("upernet", pyramid, needs=(4, 8, 16, 32))
    return Ladder(with_single_images(UPerNetDecoder(widths, 5, channels, norm)), pyramid)

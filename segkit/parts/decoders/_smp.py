"""segmentation-models-pytorch behind one door: its decoders over segkit's pyramids."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

from segmentation_models_pytorch.decoders.deeplabv3.decoder import DeepLabV3Decoder, DeepLabV3PlusDecoder
from segmentation_models_pytorch.decoders.dpt.decoder import DPTDecoder
from segmentation_models_pytorch.decoders.fpn.decoder import FPNDecoder
from segmentation_models_pytorch.decoders.linknet.decoder import LinknetDecoder
from segmentation_models_pytorch.decoders.manet.decoder import MAnetDecoder
from segmentation_models_pytorch.decoders.pan.decoder import PANDecoder
from segmentation_models_pytorch.decoders.pspnet.decoder import PSPDecoder
from segmentation_models_pytorch.decoders.segformer.decoder import SegformerDecoder
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder
from segmentation_models_pytorch.decoders.unetplusplus.decoder import UnetPlusPlusDecoder
from segmentation_models_pytorch.decoders.upernet.decoder import UPerNetDecoder
from torch import nn

from segkit.core.errors import PartError, ShapeError
from segkit.core.types import Pyramid
from segkit.parts.decoders._smp_adapters import (
    DeepLabV3Plus,
    Dpt,
    Enlarged,
    Ladder,
    OneMap,
    rungs_of,
    with_single_images,
)


def unet(
    pyramid: Pyramid,
    channels: Sequence[int],
    norm: str,
    attention: str | None,
    *,
    interpolation: str,
    center: bool,
) -> nn.Module:
    """See `segkit.parts.decoders.smp_decoders`, here and below."""
    widths = _widths("unet", pyramid)
    _check_levels("unet", widths, channels)
    _check_attention("unet", attention, channels)
    decoder = UnetDecoder(
        widths, channels, len(channels), norm, attention, center, interpolation_mode=interpolation
    )
    return Ladder(decoder, pyramid)


def unetplusplus(
    pyramid: Pyramid,
    channels: Sequence[int],
    norm: str,
    attention: str | None,
    *,
    interpolation: str,
    center: bool,
) -> nn.Module:
    # Its nested blocks work between neighbours; a halving without a map can only be the finest.
    needs = [2**rung for rung in range(2, 1 + int(log2(pyramid.reductions[-1])))]
    widths = _widths("unetplusplus", pyramid, needs)
    _check_levels("unetplusplus", widths, channels)
    _check_attention("unetplusplus", attention, channels)
    decoder = UnetPlusPlusDecoder(
        widths, channels, len(channels), norm, attention, interpolation_mode=interpolation, center=center
    )
    return Ladder(decoder, pyramid)


def manet(
    pyramid: Pyramid,
    channels: Sequence[int],
    norm: str,
    reduction: int,
    attention_channels: int,
    *,
    interpolation: str,
) -> nn.Module:
    widths = _widths("manet", pyramid)
    _check_levels("manet", widths, channels)
    decoder = MAnetDecoder(
        widths,
        list(channels),
        len(channels),
        reduction,
        norm,
        attention_channels,
        interpolation_mode=interpolation,
    )
    return Ladder(decoder, pyramid)


def linknet(pyramid: Pyramid, prefinal_channels: int, norm: str) -> nn.Module:
    widths = _widths("linknet", pyramid)
    return Ladder(LinknetDecoder(widths, prefinal_channels, len(widths) - 1, norm), pyramid)


def fpn(
    pyramid: Pyramid,
    pyramid_channels: int,
    segmentation_channels: int,
    dropout: float,
    *,
    merge: str,
    interpolation: str,
) -> nn.Module:
    widths = _widths("fpn", pyramid, needs=(4, 8, 16, 32))
    decoder = FPNDecoder(
        widths, 5, pyramid_channels, segmentation_channels, dropout, merge, interpolation_mode=interpolation
    )
    return Ladder(decoder, pyramid)


def pspnet(pyramid: Pyramid, channels: int, norm: str, dropout: float) -> nn.Module:
    stage = pyramid.reductions.index(8) if 8 in pyramid.reductions else len(pyramid) - 1
    return OneMap(PSPDecoder([pyramid.channels[stage]], norm, channels, dropout), stage)


def pan(pyramid: Pyramid, channels: int, *, interpolation: str) -> nn.Module:
    widths = _widths("pan", pyramid, needs=(4, 8, 16, 32))
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
    _widths("deeplabv3plus", pyramid, needs=(4,))
    fine = pyramid.reductions.index(4)
    ends = [0, 0, pyramid.channels[fine], pyramid.channels[-1]]
    decoder = DeepLabV3PlusDecoder(ends, 3, channels, atrous_rates, 16, separable, dropout)
    return DeepLabV3Plus(with_single_images(decoder), fine)


def upernet(pyramid: Pyramid, channels: int, norm: str) -> nn.Module:
    widths = _widths("upernet", pyramid, needs=(4, 8, 16, 32))
    return Ladder(with_single_images(UPerNetDecoder(widths, 5, channels, norm)), pyramid)


def segformer(pyramid: Pyramid, channels: int) -> nn.Module:
    widths = _widths("segformer", pyramid, needs=(4, 8, 16, 32))
    return Ladder(SegformerDecoder(widths, 5, channels), pyramid)


def dpt(pyramid: Pyramid, fusion_channels: int, widths: Sequence[int]) -> nn.Module:
    count = len(pyramid)
    if count < 4:
        raise ShapeError(f"dpt needs four feature maps and gets {count}", hint="model.encoder.features: all")
    one_scale = len(set(pyramid.reductions)) == 1
    stages = [round(i * (count - 1) / 3) for i in range(4)] if one_scale else range(count - 4, count)
    decoder = DPTDecoder(
        [pyramid.channels[stage] for stage in stages],
        [pyramid.reductions[stage] for stage in stages],
        encoder_has_prefix_tokens=False,
        readout="ignore",
        intermediate_channels=widths,
        fusion_channels=fusion_channels,
    )
    return Dpt(decoder, stages)


def _widths(decoder: str, pyramid: Pyramid, needs: Sequence[int] = ()) -> list[int]:
    """Channels by halving, as smp's decoders want them.

    Raises:
        ShapeError: if the maps are not of different halvings, or one that the decoder needs is not there.
    """
    reductions = pyramid.reductions
    found = ", ".join(map(str, reductions))
    halving = all(log2(one) % 1 == 0 for one in reductions) and len(set(reductions)) == len(reductions)
    if not halving or reductions[-1] == 1:
        raise ShapeError(
            f"{decoder} needs maps that halve from one to the next; the encoder's reductions are {found}",
            hint="another encoder, or the decoder dpt",
        )
    if missing := [str(one) for one in needs if one not in reductions]:
        raise ShapeError(
            f"{decoder} needs maps of reduction {', '.join(missing)}; those that come in have {found}",
            hint="model.encoder.features: all, or another encoder",
        )
    return [width for width, _ in rungs_of(pyramid)]


def _check_levels(decoder: str, widths: Sequence[int], channels: Sequence[int]) -> None:
    levels = len(widths) - 1
    if len(channels) != levels:
        raise PartError(
            f"{decoder}.channels names {len(channels)} widths, but the encoder halves {levels} times",
            hint=f"name {levels}, coarsest first",
        )


def _check_attention(decoder: str, attention: str | None, channels: Sequence[int]) -> None:
    if attention and min(channels) < 16:
        raise PartError(
            f"{decoder}.attention: scse divides widths by 16, and channels has {min(channels)}",
            hint="widths of 16 and more, or no attention",
        )

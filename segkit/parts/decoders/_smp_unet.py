"""U-Net and its relatives of smp over segkit's pyramids; options as in `smp_unet`."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

from segmentation_models_pytorch.decoders.linknet.decoder import LinknetDecoder
from segmentation_models_pytorch.decoders.manet.decoder import MAnetDecoder
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder
from segmentation_models_pytorch.decoders.unetplusplus.decoder import UnetPlusPlusDecoder
from torch import nn

from segkit.core.errors import PartError
from segkit.core.types import Pyramid
from segkit.parts.decoders._smp_adapters import Ladder, widths_by_halving


def unet(
    pyramid: Pyramid,
    channels: Sequence[int],
    norm: str,
    attention: str | None,
    *,
    interpolation: str,
    center: bool,
) -> nn.Module:
    widths = widths_by_halving("unet", pyramid)
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
    widths = widths_by_halving("unetplusplus", pyramid, needs)
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
    widths = widths_by_halving("manet", pyramid)
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
    widths = widths_by_halving("linknet", pyramid)
    return Ladder(LinknetDecoder(widths, prefinal_channels, len(widths) - 1, norm), pyramid)


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

"""segmentation-models-pytorch behind one door: its decoders over segkit's pyramids."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

import torch
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
from torch import Tensor, nn
from torch.nn import functional as F

from segkit.contracts import Pyramid
from segkit.errors import PartError, ShapeError


class Ladder(nn.Module):
    """An smp decoder, which wants one map for every halving: of reduction 1, 2, 4 and so on.

    As in smp, a halving that the encoder has no map of is an empty one without channels.

    Args:
        decoder: of smp.
        pyramid: what comes in.
    """

    def __init__(self, decoder: nn.Module, pyramid: Pyramid) -> None:
        super().__init__()
        self.decoder = decoder
        self.finest = pyramid.reductions[0]
        self.rungs = [stage for _, stage in _rungs(pyramid)]

    def forward(self, features: list[Tensor]) -> Tensor:
        """Feature maps, finest first -> one map."""
        finest = features[0]
        maps = []
        for rung, stage in enumerate(self.rungs):
            if stage is None:
                height, width = (round(side * self.finest / 2**rung) for side in finest.shape[-2:])
                maps.append(finest.new_empty(finest.shape[0], 0, height, width))
            else:
                maps.append(features[stage])
        decoded: Tensor = self.decoder(maps)
        return decoded


class OneMap(nn.Module):
    """An smp decoder that looks at one map only."""

    def __init__(self, decoder: nn.Module, stage: int) -> None:
        super().__init__()
        self.decoder = decoder
        self.stage = stage

    def forward(self, features: list[Tensor]) -> Tensor:
        """Feature maps, finest first -> one map."""
        decoded: Tensor = self.decoder([features[self.stage]])
        return decoded


class DeepLabV3Plus(nn.Module):
    """smp's DeepLabV3+ for any two reductions: it grows to the finer map's size, not by a fixed factor."""

    def __init__(self, decoder: DeepLabV3PlusDecoder, fine: int) -> None:
        super().__init__()
        self.decoder = decoder
        self.fine = fine

    def forward(self, features: list[Tensor]) -> Tensor:
        """Feature maps, finest first -> one map."""
        fine = self.decoder.block1(features[self.fine])
        coarse = self.decoder.aspp(features[-1])
        coarse = F.interpolate(coarse, size=fine.shape[-2:], mode="bilinear", align_corners=False)
        decoded: Tensor = self.decoder.block2(torch.cat([coarse, fine], dim=1))
        return decoded


class Dpt(nn.Module):
    """smp's DPT decoder over four of the maps."""

    def __init__(self, decoder: DPTDecoder, stages: Sequence[int]) -> None:
        super().__init__()
        self.decoder = decoder
        self.stages = tuple(stages)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Feature maps, finest first -> one map."""
        decoded: Tensor = self.decoder([features[stage] for stage in self.stages], [None] * len(self.stages))
        return decoded


def unet(
    pyramid: Pyramid,
    channels: Sequence[int],
    norm: str,
    attention: str | None,
    *,
    interpolation: str,
    center: bool,
) -> nn.Module:
    """See `segkit.decoders.smp_decoders`, here and below."""
    widths = _widths("unet", pyramid)
    _check_levels("unet", widths, channels)
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
    widths = _widths("unetplusplus", pyramid)
    _check_levels("unetplusplus", widths, channels)
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
    return Ladder(PANDecoder(widths, 5, channels, interpolation), pyramid)


def deeplabv3(
    pyramid: Pyramid, channels: int, atrous_rates: Sequence[int], *, separable: bool, dropout: float
) -> nn.Module:
    decoder = DeepLabV3Decoder(pyramid.channels[-1], channels, atrous_rates, separable, dropout)
    return OneMap(decoder, len(pyramid) - 1)


def deeplabv3plus(
    pyramid: Pyramid, channels: int, atrous_rates: Sequence[int], *, separable: bool, dropout: float
) -> nn.Module:
    _widths("deeplabv3plus", pyramid, needs=(4,))
    fine = pyramid.reductions.index(4)
    ends = [0, 0, pyramid.channels[fine], pyramid.channels[-1]]
    decoder = DeepLabV3PlusDecoder(ends, 3, channels, atrous_rates, 16, separable, dropout)
    return DeepLabV3Plus(decoder, fine)


def upernet(pyramid: Pyramid, channels: int, norm: str) -> nn.Module:
    widths = _widths("upernet", pyramid, needs=(4, 8, 16, 32))
    return Ladder(UPerNetDecoder(widths, 5, channels, norm), pyramid)


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


def _rungs(pyramid: Pyramid) -> list[tuple[int, int | None]]:
    """For each halving from 1 to the coarsest: its channels, and the stage of that reduction, if there is one."""
    stages = {reduction: stage for stage, reduction in enumerate(pyramid.reductions)}
    found = [stages.get(2**rung) for rung in range(1 + int(log2(pyramid.reductions[-1])))]
    return [(0 if stage is None else pyramid.channels[stage], stage) for stage in found]


def _widths(decoder: str, pyramid: Pyramid, needs: Sequence[int] = ()) -> list[int]:
    """Channels by halving, as smp's decoders want them.

    Raises:
        ShapeError: if the maps are not of different halvings, or one that the decoder needs is not there.
    """
    reductions = pyramid.reductions
    found = ", ".join(map(str, reductions))
    if any(log2(one) % 1 for one in reductions) or len(set(reductions)) < len(reductions):
        raise ShapeError(
            f"{decoder} needs maps that halve from one to the next; the encoder's reductions are {found}",
            hint="another encoder, or the decoder dpt",
        )
    if missing := [str(one) for one in needs if one not in reductions]:
        raise ShapeError(
            f"{decoder} needs maps of reduction {', '.join(missing)}; those that come in have {found}",
            hint="model.encoder.features: all, or another encoder",
        )
    return [width for width, _ in _rungs(pyramid)]


def _check_levels(decoder: str, widths: Sequence[int], channels: Sequence[int]) -> None:
    levels = len(widths) - 1
    if len(channels) != levels:
        raise PartError(
            f"{decoder}.channels names {len(channels)} widths, but the encoder halves {levels} times",
            hint=f"name {levels}, coarsest first",
        )

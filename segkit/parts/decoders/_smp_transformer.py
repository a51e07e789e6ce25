"""Decoders for transformers of smp over segkit's pyramids; options as in `smp_transformer`."""

from __future__ import annotations

from collections.abc import Sequence

from segmentation_models_pytorch.decoders.dpt.decoder import DPTDecoder
from segmentation_models_pytorch.decoders.segformer.decoder import SegformerDecoder
from torch import nn

from segkit.core.errors import ShapeError
from segkit.core.types import Pyramid
from segkit.parts.decoders._smp_adapters import Dpt, Ladder, widths_by_halving


def segformer(pyramid: Pyramid, channels: int) -> nn.Module:
    widths = widths_by_halving("segformer", pyramid, needs=(4, 8, 16, 32))
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

"""Decoders of segmentation-models-pytorch (smp) for transformers, with its defaults."""

from __future__ import annotations

from math import log2
from typing import TYPE_CHECKING

from segkit.core.errors import ShapeError
from segkit.core.registry import DECODERS
from segkit.parts.decoders._smp_options import OF_ANY_REDUCTION, Width

if TYPE_CHECKING:
    from torch import nn

    from segkit.core.types import Pyramid


@DECODERS.register("segformer")
def segformer(pyramid: Pyramid, *, channels: Width = 256) -> nn.Module:
    """SegFormer's all-MLP decoder (Xie et al., 2021).

    Args:
        pyramid: channels and reductions of the encoder's feature maps.
        channels: width of the output.
    """
    from segmentation_models_pytorch.decoders.segformer.decoder import SegformerDecoder

    from segkit.parts.decoders._smp_adapters import FullPyramid, channels_by_halving

    widths = channels_by_halving("segformer", pyramid, required=(4, 8, 16, 32))
    return FullPyramid(SegformerDecoder(widths, 5, channels), pyramid)


@DECODERS.register("dpt")
def dpt(
    pyramid: Pyramid,
    *,
    fusion_channels: Width = 256,
    widths: tuple[Width, Width, Width, Width] = (256, 512, 1024, 1024),
) -> nn.Module:
    """DPT (dense prediction transformer), for encoders of one scale such as ViT (Ranftl et al., 2021).

    The maps are enlarged by powers of 2: transformers with patches of 14 pixels do not work.

    Args:
        pyramid: channels and reductions of the encoder's feature maps: four of one reduction, or the last
            four.
        fusion_channels: width of the output.
        widths: widths of the four maps before fusion.
    """
    from segmentation_models_pytorch.decoders.dpt.decoder import DPTDecoder

    from segkit.parts.decoders._smp_adapters import SelectedStages

    count = len(pyramid)
    if count < 4:
        raise ShapeError(f"dpt needs four feature maps and gets {count}", hint="model.encoder.features: all")
    one_scale = len(set(pyramid.reductions)) == 1
    stages = [round(i * (count - 1) / 3) for i in range(4)] if one_scale else range(count - 4, count)
    reductions = [pyramid.reductions[stage] for stage in stages]
    if odd := next((reduction for reduction in reductions if not log2(reduction).is_integer()), None):
        raise ShapeError(
            f"dpt works at no image size on maps of reduction {odd}, as segmentation-models-pytorch's DPT "
            "enlarges them by powers of 2",
            hint=f"the decoder {OF_ANY_REDUCTION}, or an encoder with patches of 8 or 16 pixels",
        )
    decoder = DPTDecoder(
        [pyramid.channels[stage] for stage in stages],
        reductions,
        encoder_has_prefix_tokens=False,
        readout="ignore",
        intermediate_channels=widths,
        fusion_channels=fusion_channels,
    )
    return SelectedStages(decoder, stages, [None] * len(stages))  # without prefix tokens

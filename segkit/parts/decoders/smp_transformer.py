"""Decoders for transformers, of segmentation-models-pytorch (smp) with its defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segkit.core.registry import DECODERS
from segkit.parts.decoders._smp_options import Width

if TYPE_CHECKING:
    from torch import nn

    from segkit.core.types import Pyramid


@DECODERS.register("segformer")
def segformer(pyramid: Pyramid, *, channels: Width = 256) -> nn.Module:
    """SegFormer's all-MLP decoder (Xie et al., 2021).

    Args:
        pyramid: the feature maps that come in.
        channels: width of the map that comes out.
    """
    from segkit.parts.decoders._smp_transformer import segformer as build

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
    from segkit.parts.decoders._smp_transformer import dpt as build

    return build(pyramid, fusion_channels, widths)

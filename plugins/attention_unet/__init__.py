"""Attention U-Net: skip connections pass gates that learn where to look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from segkit import DECODERS, Pyramid

if TYPE_CHECKING:
    from torch import nn

Width = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


@DECODERS.register("attention_unet")
def attention_unet(
    pyramid: Pyramid,
    *,
    channels: Annotated[tuple[Width, ...], Field(min_length=1)] = (256, 128, 64, 32, 16),
    gate_channels: Width | None = None,
    gated: bool = True,
    dropout: Share = 0.0,
) -> nn.Module:
    """A U-Net decoder whose skip connections are weighted, cell by cell, by what the coarser map has seen.

    Every step brings the coarser map to the size of the next finer one and joins the two; where no finer map
    is left, it doubles the resolution. Maps may be of any size, multiples of each other or not.
    Source: Oktay et al. 2018, Attention U-Net: Learning Where to Look for the Pancreas, arXiv:1804.03999.

    Args:
        pyramid: the feature maps that come in, two or more.
        channels: width of each step, coarsest first: one for each finer map, and one for each doubling behind
            them, at most up to the image's size.
        gate_channels: width inside a gate; by default half the channels of the skip.
        gated: false leaves the gates out, which makes it a plain U-Net, to see what they are good for.
        dropout: share of a step's channels that are dropped while training.

    Raises:
        PartError: for fewer or more widths than there can be steps.
        ShapeError: if only one map comes in, so that there is no skip.
    """
    from ._attention_unet import AttentionUnet

    return AttentionUnet(
        pyramid, channels=channels, gate_channels=gate_channels, gated=gated, dropout=dropout
    )

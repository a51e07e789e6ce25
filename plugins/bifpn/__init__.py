"""BiFPN: a light decoder that passes all maps down and up again through depthwise-separable convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from segkit import DECODERS, Pyramid

if TYPE_CHECKING:
    from torch import nn

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


@DECODERS.register("bifpn")
def bifpn(pyramid: Pyramid, *, channels: Count = 64, layers: Count = 3, dropout: Share = 0.1) -> nn.Module:
    """A bidirectional feature pyramid: few parameters, every map has its say at the finest resolution.

    All maps are brought to one width; each layer passes them from coarse to fine and back, by weighted means
    and depthwise-separable convolutions; a last weighted mean of all comes out, of the finest map's size.
    Source: Tan et al. 2020, EfficientDet: Scalable and Efficient Object Detection,
    arXiv:1911.09070, section 3. Unlike there, maps are resized bilinearly, so that they may be of any size,
    and they are those of the encoder, without further ones below them.

    Args:
        pyramid: the feature maps that come in, two or more.
        channels: the one width of all maps.
        layers: how many times information goes down and up; 64 channels and 3 layers are EfficientDet-D0's.
        dropout: share of the channels of each map that comes in, and of the one that goes out, that are
            dropped while training.

    Raises:
        ShapeError: if only one map comes in, so that there is nothing to pass.
    """
    from ._bifpn import BiFpn

    return BiFpn(pyramid, channels=channels, layers=layers, dropout=dropout)

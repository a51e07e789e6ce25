"""The decoder `transposed_conv`: upsampling from the encoder's last map to full size."""

from __future__ import annotations

from math import log2
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from segkit.core.errors import PartError
from segkit.core.registry import DECODERS

if TYPE_CHECKING:
    from torch import nn

    from segkit.core.types import Pyramid

Kernel = Literal[2, 3, 4]
Share = Annotated[float, Field(ge=0, lt=1)]
Width = Annotated[int, Field(ge=1, le=65536)]

_CHANNELS = (512, 256, 128, 64, 32)


@DECODERS.register("transposed_conv", features="last")
def transposed_conv(
    pyramid: Pyramid,
    *,
    channels: Annotated[tuple[Width, ...], Field(min_length=1)] | None = None,
    kernel_size: Kernel | tuple[Kernel, ...] = 2,
    dropout: Share = 0.2,
    feature_dropout: Share = 0.0,
    feature_norm: bool = False,
    context: Width | None = None,
    residual: bool = True,
) -> nn.Module:
    """Blocks of transposed convolution, BatchNorm, ReLU and dropout, each doubling the resolution.

    With several encoder stages, the stage of a block's resolution is concatenated to its output (a skip
    connection).

    Args:
        pyramid: channels and reductions of the encoder's feature maps.
        channels: width of each block; one block per width. By default 512, 256, 128, 64 and 32, or the first
            of these, so that the output is not larger than the image.
        kernel_size: kernel of the transposed convolutions: 2, 3 or 4, one for all blocks or one for each.
            With 2 each input cell is upsampled alone; with 3 and 4 neighbouring cells overlap.
        dropout: share of each block's channels dropped in training.
        feature_dropout: share of the encoder's channels dropped in training.
        feature_norm: BatchNorm on the encoder's features, for frozen encoders.
        context: width of a context block before the others; null for none. It compresses the coarsest map
            to this width and adds a 7x7 convolution over it.
        residual: add each block's input to its output, upsampled bilinearly, through a 1x1 convolution.

    Raises:
        PartError: if the number of kernel sizes differs from the number of blocks.
        ShapeError: if no block reaches the resolution of a stage.
    """
    from segkit.parts.decoders._transposed_conv import TransposedConvDecoder

    if channels is None:
        halvings = int(log2(pyramid.reductions[-1]))
        channels = _CHANNELS[: max(1, halvings)]
    kernels = (kernel_size,) * len(channels) if isinstance(kernel_size, int) else kernel_size
    if len(kernels) != len(channels):
        raise PartError(
            f"transposed_conv has {len(channels)} channels but {len(kernels)} kernel sizes",
            hint="one kernel_size for all blocks, or one for each of channels",
        )
    return TransposedConvDecoder(
        pyramid,
        channels=channels,
        kernel_sizes=kernels,
        dropout=dropout,
        feature_dropout=feature_dropout,
        feature_norm=feature_norm,
        context=context,
        residual=residual,
    )

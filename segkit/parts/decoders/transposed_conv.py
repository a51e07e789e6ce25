"""The decoder of the published experiments: from the encoder's last map to full size."""

from __future__ import annotations

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


@DECODERS.register("transposed_conv", features="last")
def transposed_conv(
    pyramid: Pyramid,
    *,
    channels: Annotated[tuple[Width, ...], Field(min_length=1)] = (512, 256, 128, 64, 32),
    kernel_size: Kernel | tuple[Kernel, ...] = 2,
    dropout: Share = 0.2,
    feature_dropout: Share = 0.0,
    feature_norm: bool = False,
    context: Width | None = None,
    residual: bool = True,
) -> nn.Module:
    """Blocks of transposed convolution, BatchNorm, ReLU and dropout, each doubling the resolution.

    Given several encoder stages, a block ends by taking in the stage of its resolution, where there is one.

    Args:
        pyramid: the feature maps that come in.
        channels: width of each block; as many blocks as widths.
        kernel_size: of the transposed convolutions, one for all or one for each block. With 2 every cell
            of a map is unfolded on its own; 3 and 4 see its neighbours too.
        dropout: share of a block's channels that are dropped while training.
        feature_dropout: share of the encoder's channels that are dropped while training.
        feature_norm: a BatchNorm on what comes from the encoder, for features of a frozen one.
        context: width of a context block before the others: the coarsest map is compressed to it,
            and a 7x7 convolution beside it lets the cells of a small map see each other.
        residual: add to each block's output what came in, upsampled bilinearly and brought to its width.

    Raises:
        PartError: if there are more or fewer kernel sizes than blocks.
        ShapeError: if a stage that comes in is of a resolution that no block reaches.
    """
    from segkit.parts.decoders._transposed_conv import TransposedConvDecoder

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

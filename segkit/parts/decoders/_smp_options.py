"""Option types and option checks of the smp decoders. No torch: the registry reads them."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from segkit.core.errors import PartError

Width = Annotated[int, Field(ge=1, le=65536)]
OfGroups = Annotated[int, Field(ge=32, le=65536, multiple_of=32)]
Widths = Annotated[tuple[Width, ...], Field(min_length=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Norm = Literal["batchnorm", "instancenorm", "identity"]
Attention = Literal["scse"] | None
Upsampling = Literal["nearest", "bilinear"]
Rates = tuple[Width, Width, Width]

OF_ANY_REDUCTION = "transposed_conv, deeplabv3 or pspnet"  # decoders that do not need powers of 2


def check_levels(decoder: str, widths: Sequence[int], channels: Sequence[int]) -> None:
    """Raise `PartError` unless `channels` has one width for each halving of the encoder."""
    levels = len(widths) - 1
    if len(channels) != levels:
        raise PartError(
            f"{decoder}.channels names {len(channels)} widths, but the encoder halves {levels} times",
            hint=f"name {levels}, coarsest first",
        )


def check_attention(decoder: str, attention: str | None, channels: Sequence[int]) -> None:
    """Raise `PartError` if a width is too small for scse attention."""
    if attention and min(channels) < 16:
        raise PartError(
            f"{decoder}.attention: scse divides widths by 16, and channels has {min(channels)}",
            hint="widths of 16 and more, or no attention",
        )

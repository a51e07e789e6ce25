"""The modules behind `separable_unet`."""

from __future__ import annotations

from itertools import zip_longest

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segkit import Pyramid
from segkit.core.errors import PartError


class SeparableUnet(nn.Module):
    """From the coarsest map upwards, one step per width; see `separable_unet` for the options.

    Shape:
        features: one map per stage of `pyramid`, finest first.
        output: (B, channels[-1], h, w), the size of the finest map, doubled by each step that has no skip.
    """

    def __init__(
        self,
        pyramid: Pyramid,
        *,
        channels: tuple[int, ...],
        dense_up_to: int,
        kernel_size: int,
        dropout: float,
    ) -> None:
        super().__init__()
        *finer, coarsest = pyramid.channels
        if len(finer) > len(channels):
            raise PartError(
                f"separable_unet.channels names {len(channels)} widths, and {len(finer)} finer maps come in",
                hint=f"name {len(finer)} or more, coarsest first",
            )
        self.entries = nn.ModuleList(nn.Dropout2d(dropout) for _ in pyramid.channels)
        incoming = (coarsest, *channels[:-1])
        self.steps = nn.ModuleList(
            Step(below, skip, width, kernel_size=0 if width <= dense_up_to else kernel_size, dropout=dropout)
            for below, skip, width in zip_longest(incoming, reversed(finer), channels, fillvalue=0)
        )

    def forward(self, features: list[Tensor]) -> Tensor:
        """Feature maps, finest first -> one map."""
        *finer, x = [entry(feature) for entry, feature in zip(self.entries, features, strict=True)]
        for step in self.steps:
            x = step(x, finer.pop() if finer else None)
        return x


class Step(nn.Module):
    """Twice the resolution, and the next finer map taken in.

    Args:
        below: channels of the coarser map.
        skip: channels of the finer map; 0 if there is none.
        width: channels that come out.
        kernel_size: of the depthwise convolution that joins the two; 0 for ordinary convolutions.
        dropout: share of channels that are dropped while training.

    Shape:
        x: (B, below, h, w).
        skip: (B, skip, H, W), or None.
        output: (B, width, H, W); (B, width, 2h, 2w) without a skip.
    """

    def __init__(self, below: int, skip: int, width: int, *, kernel_size: int, dropout: float) -> None:
        super().__init__()
        self.narrow = nn.Sequential(nn.Conv2d(below, width, 1, bias=False), nn.BatchNorm2d(width))
        self.up = separable_up(width) if kernel_size else dense_up(width)
        self.dropout = nn.Dropout2d(dropout)
        join = (
            separable_conv(width + skip, width, kernel_size)
            if kernel_size
            else dense_conv(width + skip, width)
        )
        self.join = join if skip else nn.Identity()

    def forward(self, x: Tensor, skip: Tensor | None) -> Tensor:
        """The coarser map and the finer one -> one map."""
        x = self.narrow(x)
        shortcut = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        x = self.dropout(F.relu(self.up(F.relu(x)) + shortcut))
        if skip is None:
            return x
        if x.shape[-2:] != skip.shape[-2:]:  # an image size that is no multiple of the reduction
            x = F.interpolate(x, size=skip.shape[-2:], mode="bilinear", align_corners=False)
        joined: Tensor = self.join(torch.cat([x, skip], dim=1))
        return joined


def separable_up(width: int) -> nn.Module:
    """Twice the resolution, each channel by itself, then one convolution across channels at each place."""
    return nn.Sequential(
        nn.ConvTranspose2d(width, width, 4, stride=2, padding=1, groups=width, bias=False),
        nn.Conv2d(width, width, 1, bias=False),
        nn.BatchNorm2d(width),
    )


def dense_up(width: int) -> nn.Module:
    """Twice the resolution by a transposed convolution of size 2."""
    return nn.Sequential(nn.ConvTranspose2d(width, width, 2, stride=2, bias=False), nn.BatchNorm2d(width))


def separable_conv(incoming: int, outgoing: int, kernel_size: int) -> nn.Module:
    """A convolution of each channel by itself, then one across channels at each place."""
    return nn.Sequential(
        nn.Conv2d(incoming, incoming, kernel_size, padding=kernel_size // 2, groups=incoming, bias=False),
        nn.Conv2d(incoming, outgoing, 1, bias=False),
        nn.BatchNorm2d(outgoing),
        nn.ReLU(),
    )


def dense_conv(incoming: int, outgoing: int) -> nn.Module:
    """An ordinary 3x3 convolution."""
    return nn.Sequential(
        nn.Conv2d(incoming, outgoing, 3, padding=1, bias=False), nn.BatchNorm2d(outgoing), nn.ReLU()
    )

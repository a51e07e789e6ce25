"""The modules behind `attention_unet`."""

from __future__ import annotations

from math import log2

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segkit import Pyramid
from segkit.core.errors import PartError, ShapeError


class AttentionUnet(nn.Module):
    """From the coarsest map upwards, one step per width; see `attention_unet` for the options.

    Shape:
        features: one map per stage of `pyramid`, finest first.
        output: (B, channels[-1], h, w), the size of the finest map, doubled by each step that has no skip.
    """

    def __init__(
        self,
        pyramid: Pyramid,
        *,
        channels: tuple[int, ...],
        gate_channels: int | None,
        gated: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        _check_steps(pyramid, len(channels))
        *finer, coarsest = pyramid.channels
        skips = [*reversed(finer), *[0] * (len(channels) - len(finer))]
        incoming = (coarsest, *channels[:-1])
        self.gates = nn.ModuleList(
            AttentionGate(skip, below, gate_channels or max(1, skip // 2))
            if skip and gated
            else nn.Identity()
            for skip, below in zip(skips, incoming, strict=True)
        )
        self.blocks = nn.ModuleList(
            double_conv(below + skip, width, dropout)
            for below, skip, width in zip(incoming, skips, channels, strict=True)
        )
        self.gated = gated

    def forward(self, features: list[Tensor]) -> Tensor:
        """Feature maps, finest first -> one map."""
        *finer, x = features
        for gate, block in zip(self.gates, self.blocks, strict=True):
            if finer:
                skip = finer.pop()
                seen = gate(skip, x) if self.gated else skip
                x = torch.cat([resized(x, like=skip), seen], dim=1)
            else:
                x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = block(x)
        return x


class AttentionGate(nn.Module):
    """Additive attention (section 2.2): weighs a skip by what the coarser map below it says of each place.

    The weight of a cell is sigmoid(psi(relu(W_x skip + W_g below))), worked out at the resolution of the
    coarser map and upsampled, as in the paper.

    Args:
        skip: channels of the map that is weighed.
        below: channels of the coarser map, the gating signal.
        width: channels inside.

    Shape:
        skip: (B, skip, H, W).
        below: (B, below, h, w).
        output: (B, skip, H, W).
    """

    def __init__(self, skip: int, below: int, width: int) -> None:
        super().__init__()
        self.of_skip = nn.Conv2d(skip, width, 1, bias=False)
        self.of_below = nn.Conv2d(below, width, 1)
        self.psi = nn.Conv2d(width, 1, 1)
        nn.init.constant_(self.psi.bias, 2.0)  # open at first (0.88), so that learning starts as in a U-Net

    def forward(self, skip: Tensor, below: Tensor) -> Tensor:
        """The skip, weighed."""
        return skip * resized(self.attention(skip, below), like=skip)

    def attention(self, skip: Tensor, below: Tensor) -> Tensor:
        """The weights between 0 and 1, (B, 1, h, w): what to plot to see where the gate looks."""
        seen = self.of_skip(resized(skip, like=below)) + self.of_below(below)
        return self.psi(F.relu(seen)).sigmoid()


def double_conv(incoming: int, outgoing: int, dropout: float) -> nn.Module:
    """The block of a U-Net: twice a 3x3 convolution, BatchNorm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(incoming, outgoing, 3, padding=1, bias=False),
        nn.BatchNorm2d(outgoing),
        nn.ReLU(),
        nn.Conv2d(outgoing, outgoing, 3, padding=1, bias=False),
        nn.BatchNorm2d(outgoing),
        nn.ReLU(),
        nn.Dropout2d(dropout) if dropout else nn.Identity(),
    )


def resized(x: Tensor, *, like: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, C, H, W), the height and width of `like`."""
    if x.shape[-2:] == like.shape[-2:]:
        return x
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


def _check_steps(pyramid: Pyramid, steps: int) -> None:
    """Refuse a number of widths that does not fit the maps."""
    skips = len(pyramid) - 1
    if not skips:
        raise ShapeError(
            "attention_unet gates the skips from finer maps, and only one map comes in",
            hint="model.encoder.features: all",
        )
    most = skips + int(log2(pyramid.reductions[0]))
    if not skips <= steps <= most:
        raise PartError(
            f"attention_unet.channels names {steps} widths, but there are {skips} finer maps and "
            f"{most - skips} doublings from the finest to the image",
            hint=f"name {skips} to {most}, coarsest first"
            if most > skips
            else f"name {skips}, coarsest first",
        )

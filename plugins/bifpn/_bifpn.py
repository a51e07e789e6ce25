"""The modules behind `bifpn`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segkit import Pyramid
from segkit.core.errors import ShapeError


class BiFpn(nn.Module):
    """Maps of one width, some layers of exchange, and the mean of what they have become.

    Shape:
        features: one map per stage of `pyramid`, finest first.
        output: (B, channels, h, w), the size of the finest map.
    """

    def __init__(self, pyramid: Pyramid, *, channels: int, layers: int, dropout: float) -> None:
        super().__init__()
        if len(pyramid) < 2:
            raise ShapeError(
                "bifpn exchanges information between maps, and only one comes in",
                hint="model.encoder.features: all",
            )
        self.laterals = nn.ModuleList(lateral(width, channels, dropout) for width in pyramid.channels)
        self.layers = nn.ModuleList(BiFpnLayer(len(pyramid), channels) for _ in range(layers))
        self.last = Fusion(len(pyramid), channels)
        self.dropout = nn.Dropout2d(dropout) if dropout else nn.Identity()

    def forward(self, features: list[Tensor]) -> Tensor:
        """Feature maps, finest first -> one map."""
        maps = [lateral(feature) for lateral, feature in zip(self.laterals, features, strict=True)]
        for layer in self.layers:
            maps = layer(maps)
        result: Tensor = self.dropout(self.last(*maps))
        return result


class BiFpnLayer(nn.Module):
    """Once from the coarsest map to the finest, and once back (figure 2d).

    Shape:
        maps: (B, channels, h, w) each, finest first.
        output: the same.
    """

    def __init__(self, maps: int, channels: int) -> None:
        super().__init__()
        inner = maps - 2
        self.down = nn.ModuleList(Fusion(2, channels) for _ in range(maps - 1))
        self.up = nn.ModuleList([*(Fusion(3, channels) for _ in range(inner)), Fusion(2, channels)])

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Maps, finest first -> the same number of maps of the same sizes."""
        passed = [maps[-1]]
        for fuse, x in zip(self.down, reversed(maps[:-1]), strict=True):
            passed.insert(0, fuse(x, passed[0]))
        result = [passed[0]]
        for fuse, x, on_the_way in zip(self.up, maps[1:-1], passed[1:-1], strict=False):
            result.append(fuse(x, on_the_way, result[-1]))
        return [*result, self.up[-1](maps[-1], result[-1])]


class Fusion(nn.Module):
    """The weighted mean of maps, SiLU, and a depthwise-separable convolution with BatchNorm.

    The weights are learnt, and kept positive by ReLU: "fast normalised fusion", section 3.3.

    Shape:
        maps: (B, channels, h, w) each; all are brought to the size of the first.
        output: (B, channels, h, w) of the first.
    """

    def __init__(self, maps: int, channels: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.ones(maps))
        self.conv = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, *maps: Tensor) -> Tensor:
        """Maps -> one map of the first one's size."""
        size = maps[0].shape[-2:]
        weights = self.weights.relu()
        weights = weights / (weights.sum() + 1e-4)
        mean = sum(weight * resized(x, size) for weight, x in zip(weights, maps, strict=True))
        result: Tensor = self.conv(F.silu(mean))
        return result


def lateral(incoming: int, outgoing: int, dropout: float) -> nn.Module:
    """Brings a map of the encoder to the common width."""
    return nn.Sequential(
        nn.Dropout2d(dropout) if dropout else nn.Identity(),
        nn.Conv2d(incoming, outgoing, 1, bias=False),
        nn.BatchNorm2d(outgoing),
    )


def resized(x: Tensor, size: torch.Size) -> Tensor:
    """(B, C, h, w) -> (B, C, *size)."""
    if x.shape[-2:] == size:
        return x
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)

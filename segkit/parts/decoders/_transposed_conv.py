"""Modules of the decoder `transposed_conv`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segkit.core.errors import ShapeError
from segkit.core.types import Pyramid
from segkit.parts.decoders._matmul_conv import SameConv2d, UpConv2d


class TransposedConvDecoder(nn.Module):
    """A chain of upsampling blocks from the coarsest map; see `transposed_conv` for the options.

    Shape:
        features: one map per stage of `pyramid`, finest first.
        output: (B, channels[-1], h, w), 2 ** len(channels) times the size of the coarsest map.
    """

    def __init__(
        self,
        pyramid: Pyramid,
        *,
        channels: tuple[int, ...],
        kernel_sizes: tuple[int, ...],
        dropout: float,
        feature_dropout: float,
        feature_norm: bool,
        context: int | None,
        residual: bool,
    ) -> None:
        super().__init__()
        self.skips = _stage_of_block(pyramid, len(channels))
        self.entries = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(width) if feature_norm else nn.Identity(),
                nn.Dropout2d(feature_dropout) if feature_dropout else nn.Identity(),
            )
            for width in pyramid.channels
        )
        coarsest = pyramid.channels[-1]
        self.context = ContextBlock(coarsest, context, dropout=dropout) if context else nn.Identity()
        incoming = (context or coarsest, *channels[:-1])
        self.blocks = nn.ModuleList(
            UpBlock(before, after, kernel_size=kernel_size, dropout=dropout, residual=residual)
            for before, after, kernel_size in zip(incoming, channels, kernel_sizes, strict=True)
        )
        self.fusions = nn.ModuleList(
            nn.Identity() if stage is None else _fusion(width + pyramid.channels[stage], width)
            for width, stage in zip(channels, self.skips, strict=True)
        )

    def forward(self, features: list[Tensor]) -> Tensor:
        """Feature maps, finest first -> one map."""
        features = [entry(feature) for entry, feature in zip(self.entries, features, strict=True)]
        x: Tensor = self.context(features[-1])
        for block, fusion, stage in zip(self.blocks, self.fusions, self.skips, strict=True):
            x = block(x)
            if stage is not None:
                skip = features[stage]
                if skip.shape[-2:] != x.shape[-2:]:  # the image size is not a multiple of the reduction
                    x = F.interpolate(x, size=skip.shape[-2:], mode="bilinear", align_corners=False)
                x = fusion(torch.cat([x, skip], dim=1))
        return x


class ContextBlock(nn.Module):
    """A 1x1 convolution, then a residual 7x7 convolution that adds context to small maps.

    On a 4x4 map a 7x7 kernel covers every cell.
    """

    def __init__(self, incoming: int, width: int, *, dropout: float) -> None:
        super().__init__()
        self.compress = nn.Sequential(
            nn.Conv2d(incoming, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.around = nn.Sequential(
            nn.Dropout2d(dropout) if dropout else nn.Identity(),
            SameConv2d(width, width, 7),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, incoming, h, w) -> (B, width, h, w)."""
        x = self.compress(x)
        return x + self.around(x)  # type: ignore[no-any-return]


class UpBlock(nn.Module):
    """Transposed convolution, BatchNorm, shortcut, ReLU and dropout; doubles height and width."""

    def __init__(
        self, incoming: int, outgoing: int, *, kernel_size: int, dropout: float, residual: bool
    ) -> None:
        super().__init__()
        self.up = UpConv2d(incoming, outgoing, kernel_size)
        self.norm = nn.BatchNorm2d(outgoing)
        self.dropout = nn.Dropout2d(dropout) if dropout else nn.Identity()
        self.shortcut = nn.Conv2d(incoming, outgoing, 1, bias=False) if residual else None
        self.shortcut_norm = nn.BatchNorm2d(outgoing) if residual else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, incoming, h, w) -> (B, outgoing, 2h, 2w)."""
        y = self.norm(self.up(x))
        if self.shortcut is not None and self.shortcut_norm is not None:
            # Convolution and upsampling commute; convolving first is a quarter of the work.
            shortcut = self.shortcut_norm(self.shortcut(x))
            y = y + F.interpolate(shortcut, scale_factor=2, mode="bilinear", align_corners=False)
        return self.dropout(F.relu(y))  # type: ignore[no-any-return]


def _fusion(incoming: int, outgoing: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(incoming, outgoing, 3, padding=1, bias=False), nn.BatchNorm2d(outgoing), nn.ReLU()
    )


def _stage_of_block(pyramid: Pyramid, blocks: int) -> list[int | None]:
    reached = [pyramid.reductions[-1] / 2 ** (block + 1) for block in range(blocks)]
    for reduction in pyramid.reductions[:-1]:
        if reduction not in reached or pyramid.reductions.count(reduction) > 1:
            listed = ", ".join(f"{value:g}" for value in reached)
            raise ShapeError(
                f"transposed_conv with {blocks} blocks cannot use the map of reduction {reduction}",
                hint=f"its blocks reach the reductions {listed}, each once; choose model.encoder.features",
            )
    stages: dict[float, int] = {reduction: stage for stage, reduction in enumerate(pyramid.reductions[:-1])}
    return [stages.get(reduction) for reduction in reached]

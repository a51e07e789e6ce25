"""The module behind `lraspp`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segkit import Pyramid
from segkit.core.errors import ShapeError


class LrAspp(nn.Module):
    """The coarse map, gated and enlarged, beside the fine one.

    The paper makes logits of each and adds them up. Here the convolution that segkit puts behind a decoder
    does both at once: over two maps side by side it is the sum of one over each.

    Shape:
        features: (B, pyramid.channels[0], h, w) and a coarser map, (B, pyramid.channels[1], h', w').
        output: (B, width + pyramid.channels[0], h, w).
    """

    def __init__(self, pyramid: Pyramid, *, width: int) -> None:
        super().__init__()
        if len(pyramid) != 2:
            raise ShapeError(
                f"lraspp joins a fine and a coarse map, and {len(pyramid)} came in",
                hint="leave model.encoder.features out, or name two stages: [-3, -1]",
            )
        coarse = pyramid.channels[1]
        self.reduce = nn.Sequential(
            nn.Conv2d(coarse, width, 1, bias=False),
            nn.GroupNorm(1, width),
            nn.ReLU(),
        )
        self.gate = nn.Conv2d(coarse, width, 1)

    def forward(self, features: list[Tensor]) -> Tensor:
        """The fine and the coarse map -> one map."""
        fine, coarse = features
        gate = self.gate(coarse.mean((2, 3), keepdim=True)).sigmoid()  # B width 1 1
        gated = self.reduce(coarse) * gate
        enlarged = F.interpolate(gated, size=fine.shape[-2:], mode="bilinear", align_corners=False)
        return torch.cat([enlarged, fine], dim=1)

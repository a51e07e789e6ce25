"""What stands between segkit's feature maps and the decoders of segmentation-models-pytorch (smp)."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

import torch
from segmentation_models_pytorch.decoders.deeplabv3.decoder import DeepLabV3PlusDecoder
from segmentation_models_pytorch.decoders.dpt.decoder import DPTDecoder
from torch import Tensor, nn
from torch.nn import functional as F

from segkit.core.errors import ShapeError
from segkit.core.types import Pyramid


class Ladder(nn.Module):
    """An smp decoder, which wants one map for every halving: of reduction 1, 2, 4 and so on.

    As in smp, a halving that the encoder has no map of is an empty one without channels.

    Args:
        decoder: of smp.
        pyramid: what comes in.
    """

    def __init__(self, decoder: nn.Module, pyramid: Pyramid) -> None:
        super().__init__()
        self.decoder = decoder
        self.finest = pyramid.reductions[0]
        self.rungs = [stage for _, stage in rungs_of(pyramid)]

    def forward(self, features: list[Tensor]) -> Tensor:
        """Feature maps, finest first -> one map."""
        finest = features[0]
        maps = []
        for rung, stage in enumerate(self.rungs):
            if stage is None:
                # Whole numbers alone, rounded up as encoders halve: what an exporter can follow.
                height, width = (-(-side * self.finest // 2**rung) for side in finest.shape[-2:])
                maps.append(finest.new_empty(finest.shape[0], 0, height, width))
            else:
                maps.append(features[stage])
        decoded: Tensor = self.decoder(maps)
        return decoded


class OneMap(nn.Module):
    """An smp decoder that looks at one map only."""

    def __init__(self, decoder: nn.Module, stage: int) -> None:
        super().__init__()
        self.decoder = decoder
        self.stage = stage

    def forward(self, features: list[Tensor]) -> Tensor:
        """Feature maps, finest first -> one map."""
        decoded: Tensor = self.decoder([features[self.stage]])
        return decoded


class DeepLabV3Plus(nn.Module):
    """smp's DeepLabV3+ for any two reductions: it grows to the finer map's size, not by a fixed factor."""

    def __init__(self, decoder: DeepLabV3PlusDecoder, fine: int) -> None:
        super().__init__()
        self.decoder = decoder
        self.fine = fine

    def forward(self, features: list[Tensor]) -> Tensor:
        """Feature maps, finest first -> one map."""
        fine = self.decoder.block1(features[self.fine])
        coarse = self.decoder.aspp(features[-1])
        coarse = F.interpolate(coarse, size=fine.shape[-2:], mode="bilinear", align_corners=True)
        decoded: Tensor = self.decoder.block2(torch.cat([coarse, fine], dim=1))
        return decoded


class Dpt(nn.Module):
    """smp's DPT decoder over four of the maps."""

    def __init__(self, decoder: DPTDecoder, stages: Sequence[int]) -> None:
        super().__init__()
        self.decoder = decoder
        self.stages = tuple(stages)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Feature maps, finest first -> one map."""
        decoded: Tensor = self.decoder([features[stage] for stage in self.stages], [None] * len(self.stages))
        return decoded


class Enlarged(nn.Module):
    """A module that gets maps of at least so many cells in height and width: smaller ones are enlarged.

    Args:
        module: what gets them.
        cells: per side.
    """

    def __init__(self, module: nn.Module, cells: int) -> None:
        super().__init__()
        self.module = module
        self.cells = cells

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> what the module makes of it, enlarged to (B, C, >= cells, >= cells)."""
        height, width = (max(side, self.cells) for side in x.shape[-2:])
        if (height, width) != x.shape[-2:]:
            x = F.interpolate(x, size=(height, width), mode="bilinear", align_corners=False)
        result: Tensor = self.module(x)
        return result


class BatchNorm(nn.BatchNorm2d):
    """BatchNorm that falls back on its running statistics where there is one value per channel to learn from.

    That is a pooled map of a single image, which DeepLab, PAN and UPerNet make, and torch refuses.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> the same, normalised."""
        if self.training and x.numel() == x.shape[1]:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(x)


def with_single_images(decoder: nn.Module) -> nn.Module:
    """The decoder, with every BatchNorm one that can be trained on batches of a single image."""
    for name, child in decoder.named_children():
        if type(child) is nn.BatchNorm2d:
            norm = BatchNorm(child.num_features, eps=child.eps, momentum=child.momentum)
            norm.load_state_dict(child.state_dict())
            setattr(decoder, name, norm)
        else:
            with_single_images(child)
    return decoder


def rungs_of(pyramid: Pyramid) -> list[tuple[int, int | None]]:
    """For each halving, from 1 to the coarsest: its channels, and the stage of that reduction, if any."""
    stages = {reduction: stage for stage, reduction in enumerate(pyramid.reductions)}
    found = [stages.get(2**rung) for rung in range(1 + int(log2(pyramid.reductions[-1])))]
    return [(0 if stage is None else pyramid.channels[stage], stage) for stage in found]


def widths_by_halving(decoder: str, pyramid: Pyramid, needs: Sequence[int] = ()) -> list[int]:
    """Channels by halving, as smp's decoders want them.

    Raises:
        ShapeError: if the maps are not of different halvings, or one that the decoder needs is not there.
    """
    reductions = pyramid.reductions
    found = ", ".join(map(str, reductions))
    halving = all(log2(one) % 1 == 0 for one in reductions) and len(set(reductions)) == len(reductions)
    if not halving or reductions[-1] == 1:
        raise ShapeError(
            f"{decoder} needs maps that halve from one to the next; the encoder's reductions are {found}",
            hint="another encoder, or the decoder dpt",
        )
    if missing := [str(one) for one in needs if one not in reductions]:
        raise ShapeError(
            f"{decoder} needs maps of reduction {', '.join(missing)}; those that come in have {found}",
            hint="model.encoder.features: all, or another encoder",
        )
    return [width for width, _ in rungs_of(pyramid)]

"""Adapters from segkit's feature maps to the decoders of segmentation-models-pytorch (smp)."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

import torch
from segmentation_models_pytorch.decoders.deeplabv3.decoder import DeepLabV3PlusDecoder
from torch import Tensor, nn
from torch.nn import functional as F

from segkit.core.errors import ShapeError
from segkit.core.types import Pyramid
from segkit.parts.decoders._smp_options import OF_ANY_REDUCTION


class FullPyramid(nn.Module):
    """An smp decoder that needs one map for every halving: reduction 1, 2, 4 and so on.

    As in smp, a halving without a map of the encoder gets a map without channels.

    Args:
        decoder: smp decoder.
        pyramid: channels and reductions of the encoder's feature maps.
    """

    def __init__(self, decoder: nn.Module, pyramid: Pyramid) -> None:
        super().__init__()
        self.decoder = decoder
        self.finest = pyramid.reductions[0]
        self.stages = [stage for _, stage in _halvings(pyramid)]

    def forward(self, features: list[Tensor]) -> Tensor:
        """Feature maps, finest first -> one map."""
        finest = features[0]
        maps = []
        for halving, stage in enumerate(self.stages):
            if stage is None:
                # Rounded up, as encoders do; integers only, so that the model can be exported.
                height, width = (-(-side * self.finest // 2**halving) for side in finest.shape[-2:])
                maps.append(finest.new_empty(finest.shape[0], 0, height, width))
            else:
                maps.append(features[stage])
        decoded: Tensor = self.decoder(maps)
        return decoded


class SelectedStages(nn.Module):
    """An smp decoder that uses the maps of some stages.

    Args:
        decoder: smp decoder.
        stages: stages to use.
        arguments: further arguments of the decoder's `forward`.
    """

    def __init__(self, decoder: nn.Module, stages: Sequence[int], *arguments: object) -> None:
        super().__init__()
        self.decoder = decoder
        self.stages = tuple(stages)
        self.arguments = arguments

    def forward(self, features: list[Tensor]) -> Tensor:
        """Feature maps, finest first -> one map."""
        decoded: Tensor = self.decoder([features[stage] for stage in self.stages], *self.arguments)
        return decoded


class DeepLabV3Plus(nn.Module):
    """smp's DeepLabV3+ that upsamples to the finer map's size, not by a fixed factor."""

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


class MinSize(nn.Module):
    """A module whose input is enlarged to a minimum height and width.

    Args:
        module: module to apply.
        cells: minimum height and width.
    """

    def __init__(self, module: nn.Module, cells: int) -> None:
        super().__init__()
        self.module = module
        self.cells = cells

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> the module's output for (B, C, max(h, cells), max(w, cells))."""
        height, width = (max(side, self.cells) for side in x.shape[-2:])
        if (height, width) != x.shape[-2:]:
            x = F.interpolate(x, size=(height, width), mode="bilinear", align_corners=False)
        result: Tensor = self.module(x)
        return result


class BatchNorm(nn.BatchNorm2d):
    """BatchNorm that uses its running statistics if there is one value per channel.

    This is the pooled map of a single image in DeepLab, PAN and UPerNet; torch raises an error for it.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> the same, normalised."""
        if self.training and x.numel() == x.shape[1]:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(x)


def allow_single_images(decoder: nn.Module) -> nn.Module:
    """Replace every BatchNorm of a decoder by one that can be trained on batches of a single image."""
    for name, child in decoder.named_children():
        if type(child) is nn.BatchNorm2d:
            norm = BatchNorm(child.num_features, eps=child.eps, momentum=child.momentum)
            norm.load_state_dict(child.state_dict())
            setattr(decoder, name, norm)
        else:
            allow_single_images(child)
    return decoder


def channels_by_halving(decoder: str, pyramid: Pyramid, required: Sequence[int] = ()) -> list[int]:
    """Channels of each halving as smp's decoders expect them; 0 for a halving without a map.

    Args:
        decoder: name for messages.
        pyramid: channels and reductions of the encoder's feature maps.
        required: reductions that the decoder cannot do without.

    Raises:
        ShapeError: if the reductions are not different powers of 2, or a required one is missing.
    """
    reductions = pyramid.reductions
    listed = ", ".join(map(str, reductions))
    halving = all(log2(reduction) % 1 == 0 for reduction in reductions)
    if not halving or len(set(reductions)) < len(reductions) or reductions[-1] == 1:
        raise ShapeError(
            f"{decoder} needs maps that halve from one to the next; the encoder's reductions are {listed}",
            hint=f"another encoder, or the decoder {'dpt' if halving else OF_ANY_REDUCTION}",
        )
    if missing := [str(reduction) for reduction in required if reduction not in reductions]:
        raise ShapeError(
            f"{decoder} needs maps of reduction {', '.join(missing)}; the encoder's maps have {listed}",
            hint="model.encoder.features: all, or another encoder",
        )
    return [width for width, _ in _halvings(pyramid)]


def _halvings(pyramid: Pyramid) -> list[tuple[int, int | None]]:
    """Channels and stage of each reduction 1, 2, 4, ...; 0 and None without a map."""
    stages = {reduction: stage for stage, reduction in enumerate(pyramid.reductions)}
    by_halving = [stages.get(2**halving) for halving in range(1 + int(log2(pyramid.reductions[-1])))]
    return [(0 if stage is None else pyramid.channels[stage], stage) for stage in by_halving]

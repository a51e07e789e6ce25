"""Contract checks of encoders."""

from __future__ import annotations

from functools import lru_cache, partial
from math import inf

import torch
from torch import Tensor

from segkit.core.types import Pyramid
from segkit.testing.check import Subject, accepted_cases, require
from segkit.testing.modules import MODULE_CHECKS, SIZES, ModuleCase, Size

# The dry run stops at multiples of 128; the squares are common sizes of models for one size.
_SQUARES = tuple((side, side) for side in (160, 192, 224, 240, 256, 288, 320, 384, 448, 512))


@lru_cache(maxsize=1)  # all checks of a part run in a row
def cases(subject: Subject, device: str = "cpu") -> list[ModuleCase]:
    """A case for each number of channels that the encoder accepts."""
    return accepted_cases("number of channels", partial(_case, subject, device), ((3,), (1,)))


def _case(subject: Subject, device: str, channels: int) -> ModuleCase:
    def images(batch_size: int, size: Size) -> list[Tensor]:
        return [torch.randn(batch_size, channels, *size, generator=torch.Generator().manual_seed(0))]

    label = f"images of {channels} channel{'s' * (channels > 1)}"
    return ModuleCase(subject, channels, label, images, (*SIZES, (128, 256), *_SQUARES), device)


def maps_match_the_pyramid(case: ModuleCase) -> None:
    """The decoder is built from `pyramid`, which describes the maps, finest first."""
    pyramid = getattr(case.build(), "pyramid", None)
    for (height, width), shapes in case.shapes.items():
        matches = isinstance(pyramid, Pyramid) and len(shapes) == len(pyramid) == len(pyramid.reductions)
        matches = matches and [*pyramid.reductions] == sorted(pyramid.reductions)  # type: ignore[union-attr]
        matches = matches and all(
            type(r) is int
            and shape[1] == c
            and max(abs(shape[2] * r - height), abs(shape[3] * r - width)) < r
            for shape, c, r in zip(shapes, pyramid.channels, pyramid.reductions, strict=True)  # type: ignore[union-attr]
        )
        maps = ", ".join(f"{shape[1]} x {shape[2]}x{shape[3]}" for shape in shapes)
        problem = f"for an image of {height}x{width} its maps are {maps}, but its pyramid is {pyramid!r}"
        hint = "self.pyramid = Pyramid(channels=(...), reductions=(...)), integers for each map, finest first"
        require(matches, problem, hint)


def mean_and_std_have_a_value_per_channel(case: ModuleCase) -> None:
    """Pixels in 0..1 are normalised by `mean` and `std`."""
    module, channels = case.build(), case.batch()[0].shape[1]
    mean, std = getattr(module, "mean", None), getattr(module, "std", None)
    valid = all(isinstance(values, (tuple, list)) and len(values) == channels for values in (mean, std))
    problem = f"for {channels} channels its mean is {mean} and its std is {std}"
    valid = valid and all(abs(m) <= 1 and 0 < s < inf for m, s in zip(mean, std, strict=True))  # type: ignore[arg-type]
    require(valid, problem, "set self.mean and self.std for pixels in 0..1; 0 and 1 change nothing")


CHECKS = (maps_match_the_pyramid, mean_and_std_have_a_value_per_channel, *MODULE_CHECKS)

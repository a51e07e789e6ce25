"""What is asked of an encoder."""

from __future__ import annotations

from functools import lru_cache
from math import isfinite

import torch
from torch import Tensor, nn

from segkit.core.types import Pyramid
from segkit.testing.check import Point, Subject, accepted, on_every, require, tried_with
from segkit.testing.module_points import MODULE_POINTS
from segkit.testing.modules import LARGE, SIZES, Case, Size, module_of, tried_case

_CHANNELS = (3, 1)
# Those that models of one size are usually made for.
_FIXED: tuple[Size, ...] = tuple((side, side) for side in (160, 192, 224, 240, 256, 288, 320, 384, 448, 512))


@lru_cache(maxsize=1)  # the points of a part are tried one after the other
def _cases(subject: Subject) -> list[Case]:
    with tried_with("it cannot be tried"):
        return accepted("number of channels", _CHANNELS, lambda channels: _case(subject, channels))


def it_takes_some_images(subject: Subject) -> None:
    """It may refuse numbers of channels that it cannot use, by a PartError when it is built, but not all."""
    _cases(subject)


@on_every(_cases)
def it_says_what_its_maps_are(case: Case) -> None:
    """A decoder is built for the `pyramid`, before there is an image."""
    pyramid = getattr(case.build(), "pyramid", None)
    numbers = (*pyramid.channels, *pyramid.reductions) if isinstance(pyramid, Pyramid) else ()
    require(
        isinstance(pyramid, Pyramid)
        and 0 < len(pyramid.channels) == len(pyramid.reductions)
        and all(type(number) is int and number > 0 for number in numbers)
        and [*pyramid.reductions] == sorted(pyramid.reductions),
        f"its pyramid is {pyramid!r}",
        "self.pyramid = Pyramid(channels=(...), reductions=(...)), a number for each map, finest first",
    )


@on_every(_cases)
def it_says_how_its_input_is_normalised(case: Case) -> None:
    """Of pixels in 0..1, `mean` is subtracted and `std` divides the rest, channel by channel."""
    module, channels = case.build(), case.images()[0].shape[1]
    mean, std = (getattr(module, name, None) for name in ("mean", "std"))
    require(
        _has_numbers(mean, channels) and _has_numbers(std, channels) and min(std) > 0 and max(mean) <= 1,  # type: ignore[arg-type]
        f"its mean is {mean} and its std is {std}",
        "self.mean and self.std, a number for each channel of pixels in 0..1; 0 and 1 change nothing",
    )


@on_every(_cases)
def its_maps_are_those_of_its_pyramid(case: Case) -> None:
    """A map that is another one than the decoder was built for fails in the run, or is misread."""
    pyramid: Pyramid = case.build().pyramid  # type: ignore[assignment]
    for (height, width), made in case.taken.items():
        told = [f"{shape[1]} x {shape[2]}x{shape[3]}" for shape in made]
        fits = len(made) == len(pyramid) and all(
            shape[1] == channels and all(map(_rounded, shape[2:], (height, width), (reduction,) * 2))
            for shape, channels, reduction in zip(made, pyramid.channels, pyramid.reductions, strict=True)
        )
        require(
            fits,
            f"for an image of {height}x{width} its maps are {', '.join(told)}; its pyramid says "
            f"channels {pyramid.channels} and reductions {pyramid.reductions}",
            "the pyramid as the maps are, finest first",
        )


def _rounded(cells: int, side: int, reduction: int) -> bool:
    """Convolutions round down or up."""
    return side // reduction <= cells <= -(-side // reduction)


def _has_numbers(values: object, count: int) -> bool:
    return (
        isinstance(values, (tuple, list))
        and len(values) == count
        and all(isinstance(value, (int, float)) and isfinite(value) for value in values)
    )


def _case(subject: Subject, channels: int) -> Case:
    label = f"images of {channels} channel{'s' * (channels > 1)}"

    def build() -> nn.Module:
        with tried_with(f"when it is built for {label}"):
            return module_of(subject, channels, weights="none")

    def make(count: int, size: Size) -> list[Tensor]:
        return [torch.randn(count, channels, *size, generator=torch.Generator().manual_seed(0))]

    def call(module: nn.Module, images: list[Tensor]) -> list[Tensor]:
        with tried_with(f"on images of shape {tuple(images[0].shape)}"):
            maps = module(images[0])
        listed = isinstance(maps, (list, tuple)) and all(isinstance(found, Tensor) for found in maps)
        told = [tuple(found.shape) for found in maps] if listed else f"a {type(maps).__name__}"
        require(
            listed and bool(maps) and all(found.ndim == 4 and len(found) == len(images[0]) for found in maps),
            f"from {len(images[0])} images it makes {told}",
            "a list of maps, finest first, each (B, channels, height, width)",
        )
        return list(maps)

    return tried_case(label, build, make, call, sizes=SIZES, otherwise=(LARGE, *_FIXED), mixed=torch.float32)


CHECKS: tuple[Point, ...] = (
    it_takes_some_images,
    it_says_what_its_maps_are,
    it_says_how_its_input_is_normalised,
    its_maps_are_those_of_its_pyramid,
    *map(on_every(_cases), MODULE_POINTS),
)

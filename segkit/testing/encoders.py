"""What is asked of an encoder."""

from __future__ import annotations

from math import isfinite

import torch
from torch import Tensor, nn

from segkit.core.errors import PartError, ShapeError
from segkit.core.types import Pyramid
from segkit.testing._module_points import MODULE_POINTS
from segkit.testing._modules import LARGE, SIZES, Case, Size, latest, module_of, over, with_sizes
from segkit.testing._places import places_stay_where_they_are
from segkit.testing.check import Point, Subject, require, tried_with

_CHANNELS = (3, 1, 4)
# Those that models of one size are usually made for.
_FIXED: tuple[Size, ...] = tuple(
    (side, side) for side in (160, 192, 224, 240, 256, 288, 320, 336, 384, 448, 512)
)


@latest
def _tried(subject: Subject) -> tuple[list[Case], list[str]]:
    """The encoder by the number of the images' channels, and why it does not take the others."""
    fitting: list[Case] = []
    reasons: list[str] = []
    for channels in _CHANNELS:
        try:
            with tried_with("it cannot be tried"):
                fitting.append(_case(subject, channels))
        except (PartError, ShapeError) as error:
            reasons.append(error.problems[0].problem)
    return fitting, reasons


def _cases(subject: Subject) -> list[Case]:
    return _tried(subject)[0]


def it_takes_some_images(subject: Subject) -> None:
    """It may refuse numbers of channels that it cannot use, by a PartError when it is built, but not all."""
    fitting, reasons = _tried(subject)
    require(bool(fitting), "it takes no images of 1, 3 or 4 channels: " + "; ".join(dict.fromkeys(reasons)))


@over(_cases)
def it_says_what_its_maps_are(case: Case) -> None:
    """A decoder is built for the `pyramid`, before there is an image."""
    pyramid = getattr(case.build(), "pyramid", None)
    hint = "self.pyramid = Pyramid(channels=(...), reductions=(...)), a number for each map, finest first"
    told = f"{case.label}: its pyramid is {pyramid!r}"
    require(isinstance(pyramid, Pyramid), told, hint)
    assert isinstance(pyramid, Pyramid)
    numbers = (*pyramid.channels, *pyramid.reductions)
    require(
        0 < len(pyramid.channels) == len(pyramid.reductions)
        and all(type(number) is int and number > 0 for number in numbers)
        and [*pyramid.reductions] == sorted(pyramid.reductions),
        told,
        hint,
    )


@over(_cases)
def it_says_how_its_input_is_normalised(case: Case) -> None:
    """Of pixels in 0..1, `mean` is subtracted and `std` divides the rest, channel by channel."""
    module = case.build()
    channels = case.images()[0].shape[1]
    mean, std = (getattr(module, name, None) for name in ("mean", "std"))
    require(
        _has_numbers(mean, channels) and _has_numbers(std, channels) and min(std) > 0 and max(mean) <= 1,  # type: ignore[arg-type]
        f"{case.label}: its mean is {mean} and its std is {std}",
        "self.mean and self.std, a number for each channel of pixels in 0..1; 0 and 1 change nothing",
    )


@over(_cases)
def its_maps_are_those_of_its_pyramid(case: Case) -> None:
    """A map that is another one than the decoder was built for fails in the run, or is misread."""
    module = case.build()
    pyramid: Pyramid = module.pyramid  # type: ignore[assignment]
    for size, made in case.taken.items():
        told = f"{case.label}, {size[0]}x{size[1]}: "
        require(
            len(made) == len(pyramid),
            f"{told}it makes {len(made)} maps, and its pyramid has {len(pyramid)}",
            "a number in the pyramid for each map",
        )
        for stage, ((_, channels, *sides), wanted, reduction) in enumerate(
            zip(made, pyramid.channels, pyramid.reductions, strict=True)
        ):
            require(
                channels == wanted and all(map(_rounded, sides, size, (reduction, reduction))),
                f"{told}map {stage} has {channels} channels and {sides[0]}x{sides[1]} cells; "
                f"its pyramid says {wanted} channels and reduction {reduction}",
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
    def feed(count: int, size: Size) -> list[Tensor]:
        return [torch.randn(count, channels, *size, generator=torch.Generator().manual_seed(0))]

    def call(module: nn.Module, images: list[Tensor]) -> list[Tensor]:
        count, _, height, width = images[0].shape
        with tried_with(f"on {count} image{'s' * (count > 1)} of {channels} x {height}x{width}"):
            maps = module(images[0])
        listed = isinstance(maps, (list, tuple)) and all(isinstance(found, Tensor) for found in maps)
        told = [tuple(found.shape) for found in maps] if listed else f"a {type(maps).__name__}"
        require(
            listed and bool(maps) and all(found.ndim == 4 and len(found) == len(images[0]) for found in maps),
            f"from {len(images[0])} images it makes {told}",
            "a list of maps, finest first, each (B, channels, height, width)",
        )
        return list(maps)

    def build() -> nn.Module:
        with tried_with(f"when it is built for {label}"):
            return module_of(subject, channels, weights="none")

    label = f"images of {channels} channel{'s' * (channels > 1)}"
    case = Case(label, build, feed, call, torch.float32)
    return with_sizes(case, SIZES, otherwise=(LARGE, *_FIXED))


CHECKS: tuple[Point, ...] = (
    it_takes_some_images,
    it_says_what_its_maps_are,
    it_says_how_its_input_is_normalised,
    its_maps_are_those_of_its_pyramid,
    *map(over(_cases), MODULE_POINTS),
    over(_cases)(places_stay_where_they_are),
)

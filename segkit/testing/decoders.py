"""What is asked of a decoder."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from segkit.core.errors import PartError, ShapeError
from segkit.core.registry import ENCODERS
from segkit.core.types import Pyramid
from segkit.models.segmenter import select_stages
from segkit.testing._module_points import MODULE_POINTS
from segkit.testing._modules import (
    LARGE,
    SIZES,
    Case,
    Shapes,
    Size,
    apart,
    distance_from_noise,
    evaluated,
    in_one_of,
    latest,
    module_of,
    not_finite,
    over,
    train,
    with_sizes,
)
from segkit.testing._places import places_stay_where_they_are
from segkit.testing.check import ContractError, Point, Subject, require, tried_with

# Small ones of timm: five stages from half the size on, four from a quarter on, four of one scale.
_ENCODERS = ("test_resnet", "test_convnext", "test_vit")


@latest
def _tried(subject: Subject) -> tuple[list[Case], list[str]]:
    """The decoder on the maps of each encoder that it fits, and why it does not fit the others."""
    fitting: list[Case] = []
    reasons: list[str] = []
    for encoder in _ENCODERS:
        try:
            with tried_with("it cannot be tried"):
                fitting.append(_case(subject, encoder))
        except (PartError, ShapeError) as error:
            reasons.append(error.problems[0].problem)
    return fitting, reasons


def _cases(subject: Subject) -> list[Case]:
    return _tried(subject)[0]


def it_names_the_stages_that_it_wants(subject: Subject) -> None:
    """The trait `features` is what reaches the decoder where a recipe leaves it open."""
    wanted = subject.entry.traits["features"]
    listed = isinstance(wanted, list) and bool(wanted) and all(type(stage) is int for stage in wanted)
    require(
        listed or wanted in ("last", "all"),
        f"it is registered with features={wanted!r}",
        'features="last", features="all", or a list of stages such as [1, -1]',
    )


def it_fits_some_encoder(subject: Subject) -> None:
    """It may refuse maps that it cannot use, by a ShapeError, but not those of every encoder."""
    fitting, reasons = _tried(subject)
    require(bool(fitting), "it fits no encoder: " + "; ".join(dict.fromkeys(reasons)))


@over(_cases)
def it_gives_as_many_channels_at_every_size(case: Case) -> None:
    """The head behind it is built once, for the channels that one size showed."""
    channels = {size: shape[1] for size, [shape] in case.taken.items()}
    require(
        len(set(channels.values())) == 1,
        f"{case.label}: its channels are "
        + ", ".join(f"{count} at {height}x{width}" for (height, width), count in channels.items()),
        "channels that follow from the options and the pyramid alone",
    )


@over(_cases)
def its_map_has_the_form_of_the_image(case: Case) -> None:
    """Logits are stretched to the image's size, whatever form they have; much larger ones are a waste."""
    for (height, width), [shape] in case.taken.items():
        down, across = height / shape[2], width / shape[3]
        require(
            2 / 3 <= down / across <= 3 / 2 and min(down, across) >= 1 / 4,
            f"{case.label}: for an image of {height}x{width} its map is {shape[2]}x{shape[3]}",
            "a map in which a cell is a square of the image, of at most the image's size",
        )


@over(_cases)
def gradients_reach_every_map_that_it_uses(case: Case) -> None:
    """The encoder learns through the maps that change the output, and some do."""
    module = case.training.module
    used = _used(case, module)
    require(any(used), f"{case.label}: its output is the same whatever comes in", "use the maps")
    maps = [found.requires_grad_() for found in case.images()]
    loss = distance_from_noise(case.call(module.eval(), [found.clone() for found in maps]))
    if loss.requires_grad:
        loss.backward()  # type: ignore[no-untyped-call]
    lost = [
        str(stage)
        for stage, (found, counts) in enumerate(zip(maps, used, strict=True))
        if counts and (found.grad is None or not found.grad.any())
    ]
    require(
        not lost,
        f"{case.label}: map {' and '.join(lost)} (counted from 0) changes its output and gets no gradient",
        "no detach() and no torch.no_grad() on the way",
    )


def every_stage_that_it_names_is_used(subject: Subject) -> None:
    """A stage that a decoder asks for by its number is computed for nothing if it leaves it alone."""
    wanted = subject.entry.traits["features"]
    for case in _cases(subject) if isinstance(wanted, list) else []:
        unused = [str(i) for i, counts in enumerate(_used(case, case.training.module)) if not counts]
        require(
            not unused,
            f"it asks for the stages {wanted}; on {case.label}, map {' and '.join(unused)} (counted from 0) "
            "changes nothing in its output",
            "ask only for what forward uses",
        )


@over(_cases)
def it_trains_on_one_image(case: Case) -> None:
    """The last batch of an epoch may be a single image."""
    try:
        done = train(case, case.images(1), steps=1)
    except ValueError as error:
        raise ContractError(
            f"{case.label}: it cannot learn from a batch of one image: {error}",
            hint="behind global pooling, GroupNorm or no norm: BatchNorm needs two values of each channel",
        ) from error
    wrong = not_finite(done.module.state_dict())
    require(not wrong, f"{case.label}: after a batch of one image {', '.join(wrong[:3])} is not finite")


def _case(subject: Subject, encoder: str) -> Case:
    stages, pyramid = _chosen(subject, _without_weights(encoder).pyramid)

    def feed(count: int, size: Size) -> list[Tensor]:
        made = _map_shapes(encoder, size)
        noise = torch.Generator().manual_seed(0)
        return [torch.randn(count, *made[stage], generator=noise) for stage in stages]

    def call(module: nn.Module, maps: list[Tensor]) -> list[Tensor]:
        with tried_with(_told(encoder, stages, maps)):
            decoded = module(maps)
        told = f"{tuple(decoded.shape)}" if isinstance(decoded, Tensor) else f"a {type(decoded).__name__}"
        require(
            isinstance(decoded, Tensor) and decoded.ndim == 4 and len(decoded) == len(maps[0]),
            f"from maps of {len(maps[0])} images it makes {told}",
            "one map: (B, channels, height, width)",
        )
        return [decoded]

    def build() -> nn.Module:
        with tried_with(f"when it is built for {label} and channels {_listed(pyramid.channels)} ({encoder})"):
            return module_of(subject, pyramid)

    label = f"maps of reductions {_listed(pyramid.reductions)}"
    case = Case(label, build, feed, call, torch.bfloat16)
    return with_sizes(case, [size for size in SIZES if _map_shapes(encoder, size)])


def _told(encoder: str, stages: list[int], maps: list[Tensor]) -> str:
    """What comes in, in words; the size of the image is the one that the encoder makes such maps of."""
    found = [tuple(one.shape[1:]) for one in maps]
    made = ((size, _map_shapes(encoder, size)) for size in (*SIZES, LARGE))
    sizes = [
        f"{height}x{width}" for (height, width), all_ in made if all_ and [all_[i] for i in stages] == found
    ]
    image = f"for an image of {sizes[0]}" if sizes else "for an image"
    return f"on the maps of {encoder} {image}, {_listed(tuple(one.shape) for one in maps)}"


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(map(str, values))


def _used(case: Case, module: nn.Module) -> list[bool]:
    """For each map that comes in, whether the output changes with it."""
    maps = case.images()
    before = evaluated(case, module, maps)
    noise = torch.Generator().manual_seed(1)
    used = []
    for stage, found in enumerate(maps):
        changed = [*maps]
        changed[stage] = found + torch.randn(found.shape, generator=noise)
        used.append(apart(before, evaluated(case, module, changed)) > 1e-6)
    return used


def _chosen(subject: Subject, whole: Pyramid) -> tuple[list[int], Pyramid]:
    """What segkit gives the decoder of an encoder's maps."""
    stages = select_stages(subject.entry.traits["features"], len(whole))
    channels, reductions = (
        [values[stage] for stage in stages] for values in (whole.channels, whole.reductions)
    )
    return stages, Pyramid(tuple(channels), tuple(reductions))


@cache
def _without_weights(encoder: str) -> Any:
    entry = ENCODERS.get(encoder)
    assert entry is not None, "built-in parts are loaded"
    with torch.device("meta"), torch.inference_mode():
        return entry.factory(3, weights="none").eval()


@cache
def _map_shapes(encoder: str, size: Size) -> Shapes:
    """(channels, height, width) of its maps; none for a size that it does not take."""
    with torch.device("meta"), torch.inference_mode():
        try:
            maps = _without_weights(encoder)(torch.empty(1, 3, *size))
        except ShapeError:
            return []
    return [tuple(found.shape[1:]) for found in maps]


CHECKS: tuple[Point, ...] = (
    it_names_the_stages_that_it_wants,
    it_fits_some_encoder,
    it_gives_as_many_channels_at_every_size,
    its_map_has_the_form_of_the_image,
    gradients_reach_every_map_that_it_uses,
    every_stage_that_it_names_is_used,
    it_trains_on_one_image,
    *map(over(_cases), MODULE_POINTS),
    in_one_of(_cases)(places_stay_where_they_are),  # on maps of few cells, a deep decoder sees all from all
)

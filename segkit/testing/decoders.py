"""What is asked of a decoder."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from segkit.core.errors import ShapeError
from segkit.core.registry import ENCODERS
from segkit.core.types import Pyramid
from segkit.models.segmenter import select_stages
from segkit.testing.check import Point, Subject, accepted, on_every, require, tried_with
from segkit.testing.module_points import MODULE_POINTS
from segkit.testing.modules import (
    LARGE,
    SIZES,
    Case,
    Shapes,
    Size,
    differ,
    distance_from_noise,
    module_of,
    tried_case,
)

# Small ones of timm: five stages from half the size on, four from a quarter on, four of one scale.
_ENCODERS = ("test_resnet", "test_convnext", "test_vit")


@lru_cache(maxsize=1)  # the points of a part are tried one after the other
def _cases(subject: Subject) -> list[Case]:
    with tried_with("it cannot be tried"):
        return accepted("encoder", _ENCODERS, lambda encoder: _case(subject, encoder))


def it_fits_some_encoder(subject: Subject) -> None:
    """It may refuse maps that it cannot use, by a ShapeError, but not those of every encoder."""
    _cases(subject)


@on_every(_cases)
def it_gives_as_many_channels_at_every_size(case: Case) -> None:
    """The head behind it is built once, for the channels that one size showed."""
    channels = {size: shape[1] for size, [shape] in case.taken.items()}
    require(
        len(set(channels.values())) == 1,
        "its channels are "
        + ", ".join(f"{count} at {height}x{width}" for (height, width), count in channels.items()),
        "channels that follow from the options and the pyramid alone",
    )


@on_every(_cases)
def its_map_has_the_form_of_the_image(case: Case) -> None:
    """Logits are stretched to the image's size, whatever form they have; much larger ones are a waste."""
    for (height, width), [shape] in case.taken.items():
        down, across = height / shape[2], width / shape[3]
        require(
            2 / 3 <= down / across <= 3 / 2 and min(down, across) >= 1 / 4,
            f"for an image of {height}x{width} its map is {shape[2]}x{shape[3]}",
            "a map in which a cell is a square of the image, of at most the image's size",
        )


@on_every(_cases)
def gradients_reach_every_map_that_it_uses(case: Case) -> None:
    """The encoder learns through the maps that change the output."""
    module, maps = case.build().eval(), [found.requires_grad_() for found in case.images()]
    output = case.call(module, [found.clone() for found in maps])
    loss = distance_from_noise(output)
    if loss.requires_grad:
        loss.backward()  # type: ignore[no-untyped-call]
    without = [stage for stage, found in enumerate(maps) if found.grad is None or not found.grad.any()]
    for stage in without:
        changed = [found.detach() for found in maps]
        changed[stage] = changed[stage] + torch.randn(changed[stage].shape)
        require(
            not differ([one.detach() for one in output], case.evaluated(module, changed)),
            f"map {stage} (counted from 0) changes its output and gets no gradient",
            "no detach() and no torch.no_grad() on the way",
        )
    require(len(without) < len(maps), "its output is the same whatever comes in", "use the maps")


def _case(subject: Subject, encoder: str) -> Case:
    whole = _encoder(encoder).pyramid
    stages = select_stages(subject.entry.traits["features"], len(whole))
    pyramid = Pyramid(*(tuple(all_[i] for i in stages) for all_ in (whole.channels, whole.reductions)))
    label = f"maps of {encoder}, of reductions {', '.join(map(str, pyramid.reductions))}"

    def build() -> nn.Module:
        with tried_with(f"when it is built for {label}"):
            return module_of(subject, pyramid)

    def make(count: int, size: Size) -> list[Tensor]:
        noise, made = torch.Generator().manual_seed(0), _map_shapes(encoder, size)
        return [torch.randn(count, *made[stage], generator=noise) for stage in stages]

    def call(module: nn.Module, maps: list[Tensor]) -> list[Tensor]:
        with tried_with(f"on the maps of {encoder}, {', '.join(str(tuple(one.shape)) for one in maps)}"):
            decoded = module(maps)
        told = f"{tuple(decoded.shape)}" if isinstance(decoded, Tensor) else f"a {type(decoded).__name__}"
        require(
            isinstance(decoded, Tensor) and decoded.ndim == 4 and len(decoded) == len(maps[0]),
            f"from maps of {len(maps[0])} images it makes {told}",
            "one map: (B, channels, height, width)",
        )
        return [decoded]

    sizes = [size for size in SIZES if _map_shapes(encoder, size)]
    return tried_case(label, build, make, call, sizes=sizes, otherwise=[LARGE], mixed=torch.bfloat16)


@cache
def _encoder(name: str) -> Any:
    entry = ENCODERS.get(name)
    assert entry is not None, "built-in parts are loaded"
    with torch.device("meta"), torch.inference_mode():
        return entry.factory(3, weights="none").eval()


@cache
def _map_shapes(encoder: str, size: Size) -> Shapes:
    """(channels, height, width) of its maps; none for a size that it does not take."""
    with torch.device("meta"), torch.inference_mode():
        try:
            maps = _encoder(encoder)(torch.empty(1, 3, *size))
        except ShapeError:
            return []
    return [tuple(found.shape[1:]) for found in maps]


CHECKS: tuple[Point, ...] = (
    it_fits_some_encoder,
    it_gives_as_many_channels_at_every_size,
    its_map_has_the_form_of_the_image,
    gradients_reach_every_map_that_it_uses,
    *map(on_every(_cases), MODULE_POINTS),
)

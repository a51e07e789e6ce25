"""What can be known of a model without weights and without an image: it is built and run on the meta device."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from segkit.contracts import Pyramid
from segkit.errors import SegkitError, ShapeError
from segkit.events import Stage
from segkit.model import head_for, select_stages
from segkit.recipe import entry_for

if TYPE_CHECKING:
    from segkit.recipe.schema import DataSettings, ModelSettings, Part


@dataclass(frozen=True)
class Blueprint:
    """The shape of a model.

    Args:
        chosen: the encoder's stages that reach the decoder, by number.
        pyramid: those stages.
        channels: of the decoder's map.
        stages: the model table.
    """

    chosen: list[int]
    pyramid: Pyramid
    channels: int
    stages: list[Stage]


def dry_run(model: ModelSettings, data: DataSettings) -> Blueprint:
    """Build the model on the meta device and push one image of the recipe's size through it.

    Raises:
        ShapeError: if the parts or the size do not fit, with the nearest size that does.
    """
    with torch.device("meta"), torch.inference_mode():
        encoder = build(model.encoder, data.channels, weights="none").eval()
        chosen = select_stages(_features(model), len(encoder.pyramid))
        pyramid = Pyramid(
            tuple(encoder.pyramid.channels[stage] for stage in chosen),
            tuple(encoder.pyramid.reductions[stage] for stage in chosen),
        )
        decoder = build(model.decoder, pyramid).eval()
        try:
            maps, decoded = _forward(encoder, decoder, chosen, data.channels, data.size)
        except (RuntimeError, ValueError, AssertionError, ShapeError) as error:
            raise _size_error(model, data, encoder, decoder, chosen, error) from error
        head = head_for(decoded[1], data.goal.channels)
    frozen = model.encoder.frozen
    rows = [Stage("encoder", _stage_name(stage, len(encoder.pyramid)), shape[1:], 0, 0)
            for stage, shape in zip(chosen, maps, strict=True)]  # fmt: skip
    rows[-1] = Stage("encoder", rows[-1].name, rows[-1].shape, *_count(encoder, frozen=frozen))
    rows.append(Stage("decoder", model.decoder.name, decoded[1:], *_count(decoder)))
    rows.append(Stage("head", "conv 3x3", (data.goal.channels, *data.size), *_count(head)))
    return Blueprint(chosen, pyramid, decoded[1], rows)


def build(part: Part, *given: Any, **forced: Any) -> Any:
    """Build a part of a checked recipe.

    Args:
        part: name and options.
        given: what segkit gives to every part of the kind.
        forced: options to override, where the part has them.

    Raises:
        SegkitError: of the part.
    """
    entry = entry_for(part)
    options = {**part.options, **{key: value for key, value in forced.items() if key in entry.options}}
    return entry.factory(*given, **options)


def _features(model: ModelSettings) -> Any:
    chosen = model.encoder.features
    return entry_for(model.decoder).traits["features"] if chosen == "auto" else chosen


def _forward(
    encoder: nn.Module, decoder: nn.Module, chosen: list[int], channels: int, size: tuple[int, int]
) -> tuple[list[tuple[int, ...]], tuple[int, ...]]:
    """Shapes of the chosen maps and of the decoder's map, for one image."""
    maps = encoder(torch.empty(1, channels, *size, device="meta"))
    features = [maps[stage] for stage in chosen]
    return [tuple(m.shape) for m in features], tuple(decoder(features).shape)


def _size_error(
    model: ModelSettings,
    data: DataSettings,
    encoder: nn.Module,
    decoder: nn.Module,
    chosen: list[int],
    error: Exception,
) -> SegkitError:
    """Which size would work: the nearest multiples of 32 or 64 or more that pass the same dry run."""
    height, width = data.size
    problem = f"{model.decoder.name} on {model.encoder.name} does not work on images of {height}x{width}"
    for multiple in (8, 16, 32, 64, 128):
        for rounded in (round, math.ceil):
            size = tuple(max(1, rounded(side / multiple)) * multiple for side in data.size)
            try:
                _forward(encoder, decoder, chosen, data.channels, (size[0], size[1]))
            except (RuntimeError, ValueError, AssertionError, ShapeError):
                continue
            return ShapeError(problem, hint=f"data.size: [{size[0]}, {size[1]}] works")
    return ShapeError(f"{problem}, nor of any size near it: {str(error).splitlines()[0]}")


def _stage_name(stage: int, count: int) -> str:
    return f"stage {stage} of {count - 1}"


def _count(module: nn.Module, *, frozen: bool = False) -> tuple[int, int]:
    total = sum(parameter.numel() for parameter in module.parameters())
    return total, 0 if frozen else total

"""Dry run: a model is built and run on the meta device, without weights and images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from segkit.core.errors import PartError, Problem, ShapeError
from segkit.core.model_table import Stage
from segkit.core.types import Pyramid
from segkit.models.meta_model import MetaModel, Shape, line_of_forward
from segkit.models.model_errors import (
    ONE_MAP,
    message_of,
    model_error,
    plugin_line,
    sides,
    size_multiples,
)
from segkit.models.segmenter import make_head, select_stages
from segkit.recipe import entry_for
from segkit.recipe.build import build
from segkit.utils.machine import machine_memory

if TYPE_CHECKING:
    from segkit.recipe.data_settings import DataSettings
    from segkit.recipe.part_schema import Part
    from segkit.recipe.schema import ModelSettings

_MAX_SCALE = 4  # of a decoder's map relative to the image


@dataclass(frozen=True)
class ModelSpec:
    """Shapes and sizes of a model.

    Args:
        pyramid: input maps of the decoder.
        channels: channels of the decoder's output.
        stages: rows of the model table.
        meta: the model on the meta device.
        warnings: warnings, as sentences.
    """

    pyramid: Pyramid
    channels: int
    stages: list[Stage]
    meta: MetaModel
    warnings: list[str] = field(default_factory=list)

    @property
    def stage_indices(self) -> list[int]:
        """Indices of the encoder's stages that are passed to the decoder."""
        return self.meta.stage_indices

    @cached_property
    def size_multiple(self) -> int:
        """Required multiple of image height and width; 0 if only the recipe's size is known to work."""
        for multiple in (1, 2, 4, *size_multiples(self.meta)):
            # Odd factors, or sizes could fit by chance; large ones, as the maps of small images may be empty.
            odd = 2 * (128 // (2 * multiple)) + 1
            try:
                with torch.device("meta"), torch.inference_mode():
                    for height, width in ((odd, odd + 2), (odd + 4, odd)):
                        self.meta(height * multiple, width * multiple)
            except Exception:
                continue
            return multiple
        return 0


def dry_run(model: ModelSettings, data: DataSettings) -> ModelSpec:
    """Build the model on the meta device and run it on images of the recipe's size.

    Raises:
        PartError: if encoder or decoder violate their contract; names the line.
        ShapeError: if parts and size do not fit together (suggests a similar size), or the parameters do not
            fit into the machine's memory.
    """
    with torch.device("meta"), torch.inference_mode():
        encoder = _build_encoder(model.encoder, data)
        indices = select_stages(_features(model), len(encoder.pyramid))
        pyramid = Pyramid(
            tuple(encoder.pyramid.channels[stage] for stage in indices),
            tuple(encoder.pyramid.reductions[stage] for stage in indices),
        )
        decoder = _build_module(model.decoder, pyramid)
        _check_memory({"encoder": (model.encoder.name, encoder), "decoder": (model.decoder.name, decoder)})
        meta = MetaModel(encoder, decoder, indices, data.in_channels)
        maps, decoded = _run(model, data, meta)
        head = make_head(decoded[0], data.goal.channels)
    frozen = model.encoder.frozen
    first_layer = _first_layer(model.encoder, data.in_channels)
    rows = [
        _stage("encoder", f"stage {stage + 1} of {len(encoder.pyramid)}", shape, (0, 0))
        for stage, shape in zip(indices, maps, strict=True)
    ]
    rows[-1] = _stage("encoder", rows[-1].name, rows[-1].shape, _count(encoder, frozen=frozen))
    rows.append(_stage("decoder", model.decoder.name, decoded, _count(decoder)))
    rows.append(_stage("head", "conv 3x3", (data.goal.channels, *data.size), _count(head)))
    if first_layer:
        rows.insert(0, _stage("image", first_layer, (data.in_channels, *data.size), (0, 0)))
    return ModelSpec(pyramid, decoded[0], rows, meta, _check_scale(model, data, decoded))


def _first_layer(encoder: Part, channels: int) -> str:
    describe: Callable[[Mapping[str, Any], int], str] | None = entry_for(encoder).traits["first_layer"]
    return describe(encoder.options, channels) if describe else ""


def _build_module(part: Part, *given: Any, **forced: Any) -> Any:
    module, where = build(part, *given, **forced), entry_for(part).where
    if not isinstance(module, nn.Module):
        problem = f"{part.kind} {part.name!r} is built as a {type(module).__name__}, not as a torch.nn.Module"
        raise PartError(problem, where=where, hint="return the module itself")
    if any(map(nn.parameter.is_lazy, (*module.parameters(), *module.buffers()))):
        problem = f"{part.kind} {part.name!r} has lazy layers: their sizes are unknown before the first image"
        raise PartError(problem, where=where, hint="state the channels: nn.Conv2d, not nn.LazyConv2d")
    return module.eval()


def _build_encoder(part: Part, data: DataSettings) -> Any:
    encoder = _build_module(part, data.in_channels, weights="none")
    normalize, channels = data.normalize or encoder, data.in_channels
    pyramid = getattr(encoder, "pyramid", None)
    values = [getattr(normalize, name, None) for name in ("mean", "std")]
    problem = ""
    if not isinstance(pyramid, Pyramid) or not len(pyramid) == len(pyramid.reductions) > 0:
        problem = f"has the pyramid {pyramid!r}"
    elif not all(isinstance(value, (tuple, list)) and len(value) in (1, channels) for value in values):
        problem = f"has the mean {values[0]!r} and the std {values[1]!r} for {channels} channels"
    if problem:
        raise PartError(
            f"encoder {part.name!r} {problem}",
            where=entry_for(part).where,
            hint="set self.pyramid = Pyramid(channels=(...), reductions=(...)), and self.mean and self.std, "
            "a value per channel for pixels in 0..1",
        )
    return encoder


def _run(model: ModelSettings, data: DataSettings, meta: MetaModel) -> tuple[list[Shape], Shape]:
    """Shapes for one image; they must be the same for several."""
    name = f"{model.decoder.name} on {model.encoder.name}"
    try:
        maps, decoded = meta(*data.size)
    except PartError:
        raise
    except Exception as error:
        raise model_error(model, data, meta, error) from error
    try:
        others = meta(*data.size, 3)[1]
    except PartError:
        raise
    except Exception as error:
        problem = f"{name} works on one image, but not on three: {message_of(error)}"
        raise PartError(problem, where=plugin_line(error, model), hint=ONE_MAP) from error
    if others != decoded:
        problem = f"{name} gives a map of {sides(decoded)} for one image, but of {sides(others)} for three"
        raise PartError(problem, where=line_of_forward(meta.decoder), hint=ONE_MAP)
    return maps, decoded


def _check_memory(parts: Mapping[str, tuple[str, nn.Module]]) -> None:
    memory = machine_memory()
    for kind, (name, part) in parts.items():
        parameters, _ = _count(part)
        size = 4 * parameters  # float32
        if size > memory:
            problem = (
                f"{name} would have {parameters:,} parameters ({size / 1e9:,.0f} GB); "
                f"this machine has {memory / 1e9:,.0f} GB of memory"
            )
            hint = f"use smaller numbers in the options of the {kind}"
            raise ShapeError.of([Problem(problem, path=f"model.{kind}", hint=hint)])


def _features(model: ModelSettings) -> Any:
    features = model.encoder.features
    return entry_for(model.decoder).traits["features"] if features == "auto" else features


def _check_scale(model: ModelSettings, data: DataSettings, decoded: Shape) -> list[str]:
    scales = [side / full for side, full in zip(decoded[1:], data.size, strict=True)]
    problem = f"{model.decoder.name} gives maps of {sides(decoded[1:])} for images of {sides(data.size)}"
    if max(scales) > _MAX_SCALE:
        hint = "a map should not be larger than the image"
        raise ShapeError.of([Problem(problem, path="model.decoder", hint=hint)])
    if min(scales) < 2:
        return []
    advice = "They are scaled down: with options for smaller maps it would need less time and memory."
    return [f"{problem}. {advice}"]


def _stage(part: str, name: str, shape: tuple[int, ...], counts: tuple[int, int]) -> Stage:
    parameters, trainable = counts
    return Stage(part=part, name=name, shape=shape, parameters=parameters, trainable=trainable)


def _count(module: nn.Module, *, frozen: bool = False) -> tuple[int, int]:
    total = sum(parameter.numel() for parameter in module.parameters())
    trainable = sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
    return total, 0 if frozen else trainable

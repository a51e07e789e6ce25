"""What can be known of a model without weights or images: it is built and run on the meta device."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from segkit.core.errors import PartError, Problem, SegkitError, ShapeError, first_line, line_at_fault
from segkit.core.model_table import Stage
from segkit.core.types import Pyramid
from segkit.models.segmenter import head_for, select_stages
from segkit.recipe import entry_for
from segkit.recipe.build import TRY_ALONE, build

if TYPE_CHECKING:
    from segkit.recipe.schema import DataSettings, ModelSettings


_MULTIPLES = (8, 16, 32, 64, 128)  # sizes that networks may want


@dataclass(frozen=True)
class MetaModel:
    """Encoder and decoder on the meta device, in evaluation mode: shapes without weights.

    Args:
        encoder: the recipe's encoder.
        decoder: the recipe's decoder.
        stage_indices: numbers of the encoder's stages that reach the decoder.
        channels: channels of an image.
    """

    encoder: nn.Module
    decoder: nn.Module
    stage_indices: list[int]
    channels: int

    def __call__(self, height: int, width: int) -> tuple[list[tuple[int, ...]], tuple[int, ...]]:
        """Shapes of the decoder's input maps and of its output map, for one image."""
        maps = self.encoder(torch.empty(1, self.channels, height, width, device="meta"))
        features = [maps[stage] for stage in self.stage_indices]
        decoded = self.decoder(features)
        if not isinstance(decoded, torch.Tensor) or decoded.ndim != 4:
            shape = f" of shape {tuple(decoded.shape)}" if isinstance(decoded, torch.Tensor) else ""
            raise PartError(
                f"{type(self.decoder).__name__}.forward gives a {type(decoded).__name__}{shape}",
                where=_line_of(type(self.decoder)),
                hint="return one map (B, C, h, w)",
            )
        return [tuple(m.shape) for m in features], tuple(decoded.shape)


@dataclass(frozen=True)
class ModelSpec:
    """The shape of a model.

    Args:
        pyramid: the encoder's stages that reach the decoder.
        channels: channels of the decoder's map.
        stages: the model table.
        meta: the model without weights.
    """

    pyramid: Pyramid
    channels: int
    stages: list[Stage]
    meta: MetaModel

    @property
    def stage_indices(self) -> list[int]:
        """Numbers of the encoder's stages that reach the decoder."""
        return self.meta.stage_indices

    @cached_property
    def size_multiple(self) -> int:
        """What the sides of an image must be multiples of; 0 if only the recipe's size is known to work."""
        for multiple in (1, 2, 4, *_MULTIPLES):
            # Odd multiples, so that a larger one is not taken for it; of some size, as small maps may vanish.
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
    """Build the model on the meta device and push one image of the recipe's size through it.

    Raises:
        ShapeError: if the parts or the size do not fit, with a size near it that does; if this machine has
            too little memory for the parameters alone.
    """
    with torch.device("meta"), torch.inference_mode():
        encoder = build(model.encoder, data.channels, weights="none").eval()
        indices = select_stages(_features(model), len(encoder.pyramid))
        pyramid = Pyramid(
            tuple(encoder.pyramid.channels[stage] for stage in indices),
            tuple(encoder.pyramid.reductions[stage] for stage in indices),
        )
        decoder = build(model.decoder, pyramid).eval()
        _check_memory({"encoder": (model.encoder.name, encoder), "decoder": (model.decoder.name, decoder)})
        meta = MetaModel(encoder, decoder, indices, data.channels)
        try:
            maps, decoded = meta(*data.size)
        except PartError:
            raise
        except Exception as error:
            raise _size_error(model, data, meta, error) from error
        _check_learning(model, data, meta)
        head = head_for(decoded[1], data.goal.channels)
    frozen = model.encoder.frozen
    rows = [
        _stage("encoder", _stage_name(stage, len(encoder.pyramid)), shape[1:], (0, 0))
        for stage, shape in zip(indices, maps, strict=True)
    ]
    rows[-1] = _stage("encoder", rows[-1].name, rows[-1].shape, _count(encoder, frozen=frozen))
    rows.append(_stage("decoder", model.decoder.name, decoded[1:], _count(decoder)))
    rows.append(_stage("head", "conv 3x3", (data.goal.channels, *data.size), _count(head)))
    return ModelSpec(pyramid, decoded[1], rows, meta)


def _check_memory(parts: Mapping[str, tuple[str, nn.Module]]) -> None:
    """The parameters of each part, 4 bytes each, fit into the memory of this machine.

    Raises:
        ShapeError: if those of one do not; it was built without any memory.
    """
    there = machine_memory()
    for kind, (name, part) in parts.items():
        parameters, _ = _count(part)
        if there and 4 * parameters > there:
            problem = (
                f"{name} would have {parameters:,} parameters, {4 * parameters / 1e9:,.0f} GB of them, "
                f"and this machine has {there / 1e9:,.0f} GB of memory"
            )
            options = f"smaller numbers among the options of the {kind}"
            raise ShapeError.of([Problem(problem, path=f"model.{kind}", hint=options)])


def machine_memory() -> int:
    """Bytes of main memory; 0 where that cannot be known."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 0


def _features(model: ModelSettings) -> Any:
    features = model.encoder.features
    return entry_for(model.decoder).traits["features"] if features == "auto" else features


def _size_error(model: ModelSettings, data: DataSettings, meta: MetaModel, error: Exception) -> SegkitError:
    """Which size would work: multiples of 8, 16 and so on near it that pass the same dry run."""
    height, width = data.size
    problem = f"{model.decoder.name} on {model.encoder.name} does not work on images of {height}x{width}"
    where = "" if isinstance(error, SegkitError) else _own_line(error, model)
    if where:  # its author wants to know why, whatever size would do
        problem += f": {_told(error)}"
    for multiple in _MULTIPLES:
        for rounded in (round, math.ceil):
            height, width = (max(1, rounded(side / multiple)) * multiple for side in data.size)
            try:
                meta(height, width)
            except Exception:
                continue
            return ShapeError(problem, where=where, hint=f"data.size: [{height}, {width}] works")
    hint = error.problems[0].hint if isinstance(error, SegkitError) else ""
    if where:
        return PartError(problem, where=where, hint=hint or TRY_ALONE)
    return ShapeError(f"{problem}, nor of any size near it: {_told(error)}", hint=hint)


def _own_line(error: Exception, model: ModelSettings) -> str:
    """The line of a plugin's own code that failed; nothing for built-in parts, whose faults are ours."""
    for part in (model.decoder, model.encoder):
        defined = entry_for(part).where
        if (line := line_at_fault(error, defined)) != defined:
            return line
    return ""


def _line_of(kind: type) -> str:
    code = getattr(getattr(kind, "forward", None), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else ""


def _check_learning(model: ModelSettings, data: DataSettings, meta: MetaModel) -> None:
    """The smallest batch of an epoch can be learnt from: BatchNorm needs two values of each channel.

    Raises:
        ShapeError: if it cannot.
    """
    if data.batch_size > 2:  # no batch of such an epoch has less than two images
        return
    meta.encoder.train(not model.encoder.frozen)
    meta.decoder.train()
    try:
        meta(*data.size)  # one image: an odd number leaves one over from pairs
    except ValueError as error:
        height, width = data.size
        raise ShapeError(
            f"{model.decoder.name} on {model.encoder.name} cannot learn from a batch of "
            f"1 of {height}x{width}: {_told(error).partition(', got')[0]}",
            hint="a larger data.size, or data.batch_size: 3 or more",
        ) from error
    finally:
        meta.encoder.eval()
        meta.decoder.eval()


def _told(error: Exception) -> str:
    return error.problems[0].problem if isinstance(error, SegkitError) else first_line(error)


def _stage(part: str, name: str, shape: tuple[int, ...], counts: tuple[int, int]) -> Stage:
    parameters, trainable = counts
    return Stage(part=part, name=name, shape=shape, parameters=parameters, trainable=trainable)


def _stage_name(stage: int, count: int) -> str:
    return f"stage {stage + 1} of {count}"


def _count(module: nn.Module, *, frozen: bool = False) -> tuple[int, int]:
    total = sum(parameter.numel() for parameter in module.parameters())
    learning = sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
    return total, 0 if frozen else learning

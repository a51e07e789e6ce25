"""Dry run: a model is built and run on the meta device, without weights and images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from segkit.core.errors import PartError, Problem, SegkitError, ShapeError, first_line, line_at_fault
from segkit.core.model_table import Stage
from segkit.core.types import Pyramid
from segkit.models.feature_cache import machine_memory
from segkit.models.segmenter import make_head, select_stages
from segkit.recipe import entry_for
from segkit.recipe.build import build, try_alone

if TYPE_CHECKING:
    from segkit.recipe.schema import DataSettings, ModelSettings

_MULTIPLES = (8, 16, 32, 64, 128)  # common size multiples


@dataclass(frozen=True)
class MetaModel:
    """Encoder and decoder on the meta device, in evaluation mode.

    Args:
        encoder: the recipe's encoder.
        decoder: the recipe's decoder.
        stage_indices: indices of the encoder's stages that are passed to the decoder.
        channels: image channels.
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
                f"{type(self.decoder).__name__}.forward returns a {type(decoded).__name__}{shape}",
                where=_line_of(type(self.decoder)),
                hint="return one map (B, C, h, w)",
            )
        return [tuple(m.shape) for m in features], tuple(decoded.shape)


@dataclass(frozen=True)
class ModelSpec:
    """Shapes and sizes of a model.

    Args:
        pyramid: input maps of the decoder.
        channels: channels of the decoder's output.
        stages: rows of the model table.
        meta: the model on the meta device.
    """

    pyramid: Pyramid
    channels: int
    stages: list[Stage]
    meta: MetaModel

    @property
    def stage_indices(self) -> list[int]:
        """Indices of the encoder's stages that are passed to the decoder."""
        return self.meta.stage_indices

    @cached_property
    def size_multiple(self) -> int:
        """Required multiple of image height and width; 0 if only the recipe's size is known to work."""
        for multiple in (1, 2, 4, *_MULTIPLES):
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
    """Build the model on the meta device and run it on one image of the recipe's size.

    Raises:
        ShapeError: if parts and size do not fit together (suggests a similar size), or the parameters do not
            fit into the machine's memory.
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
        _check_smallest_batch(model, data, meta)
        head = make_head(decoded[1], data.goal.channels)
    frozen = model.encoder.frozen
    rows = [
        _stage("encoder", f"stage {stage + 1} of {len(encoder.pyramid)}", shape[1:], (0, 0))
        for stage, shape in zip(indices, maps, strict=True)
    ]
    rows[-1] = _stage("encoder", rows[-1].name, rows[-1].shape, _count(encoder, frozen=frozen))
    rows.append(_stage("decoder", model.decoder.name, decoded[1:], _count(decoder)))
    rows.append(_stage("head", "conv 3x3", (data.goal.channels, *data.size), _count(head)))
    return ModelSpec(pyramid, decoded[1], rows, meta)


def _check_memory(parts: Mapping[str, tuple[str, nn.Module]]) -> None:
    memory = machine_memory()
    for kind, (name, part) in parts.items():
        parameters, _ = _count(part)
        size = 4 * parameters  # float32
        if memory and size > memory:
            problem = (
                f"{name} would have {parameters:,} parameters ({size / 1e9:,.0f} GB); "
                f"this machine has {memory / 1e9:,.0f} GB of memory"
            )
            hint = f"use smaller numbers in the options of the {kind}"
            raise ShapeError.of([Problem(problem, path=f"model.{kind}", hint=hint)])


def _features(model: ModelSettings) -> Any:
    features = model.encoder.features
    return entry_for(model.decoder).traits["features"] if features == "auto" else features


def _size_error(model: ModelSettings, data: DataSettings, meta: MetaModel, error: Exception) -> SegkitError:
    """Suggests a similar size that passes the dry run."""
    height, width = data.size
    problem = f"{model.decoder.name} on {model.encoder.name} does not work on images of {height}x{width}"
    where = "" if isinstance(error, SegkitError) else _plugin_line(error, model)
    if where:  # for the author of the plugin
        problem += f": {_message(error)}"
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
        return PartError(problem, where=where, hint=hint or try_alone())
    return ShapeError(f"{problem} or similar sizes: {_message(error)}", hint=hint)


def _plugin_line(error: Exception, model: ModelSettings) -> str:
    """The failing line of a plugin; empty for built-in parts, whose files are not at fault."""
    for part in (model.decoder, model.encoder):
        defined = entry_for(part).where
        if (line := line_at_fault(error, defined)) != defined:
            return line
    return ""


def _line_of(kind: type) -> str:
    code = getattr(getattr(kind, "forward", None), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else ""


def _check_smallest_batch(model: ModelSettings, data: DataSettings, meta: MetaModel) -> None:
    # BatchNorm needs two values per channel. With larger batch sizes, no batch has a single image.
    if data.batch_size > 2:
        return
    meta.encoder.train(not model.encoder.frozen)
    meta.decoder.train()
    try:
        meta(*data.size)
    except ValueError as error:
        height, width = data.size
        raise ShapeError(
            f"{model.decoder.name} on {model.encoder.name} cannot be trained with a batch of "
            f"one image of {height}x{width}: {_message(error).partition(', got')[0]}",
            hint="a larger data.size, or data.batch_size: 3 or more",
        ) from error
    finally:
        meta.encoder.eval()
        meta.decoder.eval()


def _message(error: Exception) -> str:
    return error.problems[0].problem if isinstance(error, SegkitError) else first_line(error)


def _stage(part: str, name: str, shape: tuple[int, ...], counts: tuple[int, int]) -> Stage:
    parameters, trainable = counts
    return Stage(part=part, name=name, shape=shape, parameters=parameters, trainable=trainable)


def _count(module: nn.Module, *, frozen: bool = False) -> tuple[int, int]:
    total = sum(parameter.numel() for parameter in module.parameters())
    trainable = sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
    return total, 0 if frozen else trainable

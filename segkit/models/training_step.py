"""A training step of plugins on small images: on the meta device, errors that need numbers are not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from segkit.core.errors import PartError, SegkitError
from segkit.core.registry import REGISTRIES
from segkit.models.model_errors import message_of, plugin_line
from segkit.models.segmenter import make_head
from segkit.recipe import entry_for
from segkit.recipe.build import build, try_alone

if TYPE_CHECKING:
    from segkit.models.dry_run import ModelSpec
    from segkit.recipe.part_schema import Part
    from segkit.recipe.schema import DataSettings, ModelSettings

_SIDES = (64, 128, 224, 256, 384, 512)
_IMAGES = 2


def try_training_step(spec: ModelSpec, model: ModelSettings, data: DataSettings, device: str) -> None:
    """Compute a training step of a plugin's encoder or decoder; nothing is done for built-in ones.

    Args:
        spec: result of the dry run.
        model: settings of the model.
        data: settings of the data.
        device: device to compute on.

    Raises:
        PartError: if it fails; names the line.
    """
    size = _small_size(spec)
    if size is None or not (_is_plugin(model.encoder) or _is_plugin(model.decoder)):
        return
    try:
        with torch.random.fork_rng(devices=[]), torch.device(device):
            features = _features(spec, model, data, size)
            decoder = build(model.decoder, spec.pyramid).train()
            logits = make_head(spec.channels, data.goal.channels)(decoder(features))
            logits.mean().backward()
    except (SegkitError, MemoryError):
        raise
    except Exception as error:
        name = f"{model.decoder.name} on {model.encoder.name}"
        raise PartError(
            f"{name} fails in a training step: {type(error).__name__}: {message_of(error)}",
            where=plugin_line(error, model) or _defined_at(model),
            hint=try_alone(),
        ) from error


def _small_size(spec: ModelSpec) -> tuple[int, int] | None:
    with torch.device("meta"), torch.inference_mode():
        for side in _SIDES:
            try:
                spec.meta(side, side)
            except Exception:
                continue
            return side, side
    return None


def _defined_at(model: ModelSettings) -> str:
    return next(entry_for(part).where for part in (model.decoder, model.encoder) if _is_plugin(part))


def _is_plugin(part: Part) -> bool:
    entry = entry_for(part)
    module = getattr(entry.factory, "__module__", "")
    return entry in REGISTRIES[part.kind].own() and not module.startswith("segkit.")


def _features(
    spec: ModelSpec, model: ModelSettings, data: DataSettings, size: tuple[int, int]
) -> list[Tensor]:
    if not _is_plugin(model.encoder):
        with torch.device("meta"), torch.inference_mode():
            shapes, _ = spec.meta(*size)
        return [_random(shape).requires_grad_(not model.encoder.frozen) for shape in shapes]
    encoder: Any = build(model.encoder, data.channels, weights="none")
    with torch.set_grad_enabled(not model.encoder.frozen):
        maps = encoder.train(not model.encoder.frozen)(_random((data.channels, *size)))
    return [maps[stage] for stage in spec.stage_indices]


def _random(shape: tuple[int, ...]) -> Tensor:
    return torch.randn(_IMAGES, *shape).to(memory_format=torch.channels_last)  # as batches are

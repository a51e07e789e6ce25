"""Check that a model can be trained, on the meta device; the model of a plugin is also trained for a step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from segkit.core.errors import PartError, SegkitError, ShapeError
from segkit.core.registry import REGISTRIES
from segkit.models.meta_model import line_of_forward
from segkit.models.model_errors import ONE_MAP, message_of, plugin_line, sides
from segkit.models.segmenter import make_head
from segkit.recipe import entry_for
from segkit.recipe.build import build, try_alone

if TYPE_CHECKING:
    from segkit.models.dry_run import ModelSpec
    from segkit.recipe.data_settings import DataSettings
    from segkit.recipe.part_schema import Part
    from segkit.recipe.schema import ModelSettings

_SIDE, _IMAGES = 128, 2  # of the images of a step


def check_training(
    spec: ModelSpec,
    model: ModelSettings,
    data: DataSettings,
    images: int,
    device: str = "",
    *,
    processes: int = 1,
) -> None:
    """Run the model in training mode on the smallest and the largest batch of an epoch.

    Args:
        spec: result of the dry run.
        model: settings of the model.
        data: settings of the data.
        images: number of training images.
        device: device on which a plugin's encoder or decoder is tried too; empty for none.
        processes: processes that share each batch; on GPUs, BatchNorm is over the images of all.

    Raises:
        PartError: if it fails, or gives other maps than in evaluation mode; names the line.
        ShapeError: if the smallest batch is too small for BatchNorm.
    """
    steps = math.ceil(images / data.batch_size)
    alone = 1 if device.startswith("cuda") else processes
    for batch in {max(1, images // steps // alone), math.ceil(images / steps)}:
        _check_batch(spec, model, data, batch, images, alone)
    if device and (_is_plugin(model.encoder) or _is_plugin(model.decoder)):
        _try_step(spec, model, data, device)


def _check_batch(
    spec: ModelSpec, model: ModelSettings, data: DataSettings, batch: int, images: int, processes: int
) -> None:
    meta, name, expected = spec.meta, f"{model.decoder.name} on {model.encoder.name}", spec.stages[-2].shape
    meta.encoder.train(not model.encoder.frozen)
    meta.decoder.train()
    try:
        with torch.device("meta"), torch.inference_mode():
            shape = meta(*data.size, batch)[1]
    except SegkitError:
        raise
    except Exception as error:
        if isinstance(error, NotImplementedError) or "meta tensor" in str(error):
            return  # tensors have no values there: only evaluation has to do without
        if "more than 1 value per channel" in str(error):
            enough = f"data.batch_size: {4 * processes - 1} or more"
            more = enough if images >= 2 * processes else "more training images"
            raise ShapeError(
                f"{name} cannot be trained with a batch of one image of {sides(data.size)}: "
                f"{message_of(error).partition(', got')[0]}",
                hint=f"a larger data.size, or {more}",
            ) from error
        problem = f"{name} fails in training mode: {type(error).__name__}: {message_of(error)}"
        raise PartError(problem, where=plugin_line(error, model), hint=try_alone()) from error
    finally:
        meta.encoder.eval()
        meta.decoder.eval()
    if shape != expected:
        raise PartError(
            f"{name} gives maps of {sides(shape)} in training on a batch of {batch}, "
            f"but of {sides(expected)} in evaluation",
            where=line_of_forward(meta.decoder),
            hint=ONE_MAP,
        )


def _is_plugin(part: Part) -> bool:
    entry = entry_for(part)
    module = getattr(entry.factory, "__module__", "")
    return entry in REGISTRIES[part.kind].own() and not module.startswith("segkit.")


def _try_step(spec: ModelSpec, model: ModelSettings, data: DataSettings, device: str) -> None:
    """Compute gradients on small images: errors that need numbers are not seen on the meta device."""
    multiple = spec.size_multiple
    size = (math.ceil(_SIDE / multiple) * multiple,) * 2 if multiple else data.size
    try:
        with torch.random.fork_rng(devices=[]), torch.device(device):
            features = _features(spec, model, data, size)
            decoder = build(model.decoder, spec.pyramid).train()
            logits = make_head(spec.channels, data.goal.channels)(decoder(features))
            logits.mean().backward()
    except (SegkitError, MemoryError):
        raise
    except Exception as error:
        plugin = model.decoder if _is_plugin(model.decoder) else model.encoder
        raise PartError(
            f"{model.decoder.name} on {model.encoder.name} fails in a training step: "
            f"{type(error).__name__}: {message_of(error)}",
            where=plugin_line(error, model) or entry_for(plugin).where,
            hint=try_alone(),
        ) from error


def _features(
    spec: ModelSpec, model: ModelSettings, data: DataSettings, size: tuple[int, int]
) -> list[Tensor]:
    if not _is_plugin(model.encoder):  # it may be large: its maps are random
        with torch.device("meta"), torch.inference_mode():
            shapes, _ = spec.meta(*size)
        return [_random(shape).requires_grad_(not model.encoder.frozen) for shape in shapes]
    encoder: Any = build(model.encoder, data.in_channels, weights="none")
    with torch.set_grad_enabled(not model.encoder.frozen):
        maps = encoder.train(not model.encoder.frozen)(_random((data.in_channels, *size)))
    return [maps[stage] for stage in spec.stage_indices]


def _random(shape: tuple[int, ...]) -> Tensor:
    return torch.randn(_IMAGES, *shape).to(memory_format=torch.channels_last)  # as batches are

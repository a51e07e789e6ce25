"""Check that a model can be trained, on the meta device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from segkit.core.errors import PartError, SegkitError, ShapeError
from segkit.models.meta_model import line_of_forward, not_on_meta
from segkit.models.model_errors import ONE_MAP, message_of, plugin_line, sides
from segkit.recipe.build import try_alone

if TYPE_CHECKING:
    from segkit.models.dry_run import ModelSpec
    from segkit.recipe.schema import DataSettings, ModelSettings


def check_training(spec: ModelSpec, model: ModelSettings, data: DataSettings) -> None:
    """Run the model of a dry run in training mode, on the smallest and the largest batch of the recipe.

    Raises:
        PartError: if it fails, or gives other maps than in evaluation mode.
        ShapeError: if the smallest batch is too small for BatchNorm.
    """
    meta, name = spec.meta, f"{model.decoder.name} on {model.encoder.name}"
    expected = spec.stages[-2].shape
    # Batches of an epoch differ by one image at most: only those of up to 2 may have a single image.
    smallest = 1 if data.batch_size <= 2 else 2
    meta.encoder.train(not model.encoder.frozen)
    meta.decoder.train()
    try:
        with torch.device("meta"), torch.inference_mode():
            shapes = {images: meta(*data.size, images)[1] for images in (smallest, data.batch_size)}
    except SegkitError:
        raise
    except Exception as error:
        if not_on_meta(error):  # only evaluation has to work there
            return
        if "more than 1 value per channel" in str(error):
            raise ShapeError(
                f"{name} cannot be trained with a batch of one image of {sides(data.size)}: "
                f"{message_of(error).partition(', got')[0]}",
                hint="a larger data.size, or data.batch_size: 3 or more",
            ) from error
        problem = f"{name} fails in training mode: {type(error).__name__}: {message_of(error)}"
        raise PartError(problem, where=plugin_line(error, model), hint=try_alone()) from error
    finally:
        meta.encoder.eval()
        meta.decoder.eval()
    for images, shape in shapes.items():
        if shape != expected:
            raise PartError(
                f"{name} gives maps of {sides(shape)} in training on {images} images, "
                f"but of {sides(expected)} in evaluation",
                where=line_of_forward(meta.decoder),
                hint=ONE_MAP,
            )

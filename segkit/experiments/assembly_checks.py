"""Checks of a recipe with its samples, before anything is read or trained, and warnings about its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from segkit.core.errors import SegkitError
from segkit.core.plugins import installed_plugins_hidden_by
from segkit.experiments.objectives import class_metrics, is_mean_over_images
from segkit.recipe import Recipe, used_plugins

if TYPE_CHECKING:
    from segkit.core.types import Sample


def check_batch_size(recipe: Recipe, images: int, processes: int) -> None:
    """Check that every process gets a training image of every batch.

    Raises:
        SegkitError: if the smallest batch of an epoch has fewer images than there are processes.
    """
    samples = recipe.data.samples_per_epoch(images)
    smallest = samples // recipe.data.steps_per_epoch(images)
    if smallest < processes:
        raise SegkitError(
            f"data.batch_size: {processes} processes share every batch, and the smallest batch has "
            f"{smallest} of {samples} training {'windows' if recipe.data.crop else 'images'}",
            hint=f"use at most {smallest} processes (training.devices, training.num_nodes) or larger batches",
        )


def check_postprocess(recipe: Recipe, splits: Mapping[str, Sequence[Sample]]) -> None:
    """Check that post-processing can be chosen, if the recipe asks for it.

    Args:
        recipe: checked recipe.
        splits: samples by split.

    Raises:
        SegkitError: if there are no validation images, or the first metric does not score a single class.
    """
    if recipe.postprocess != "auto":
        return
    if not splits.get("val"):
        raise SegkitError(
            "postprocess: auto chooses on validation images, and there are none",
            hint="data.split: {by: fraction, val: 0.2} sets some aside; or write the steps, such as "
            "postprocess: {keep_largest: true}",
        )
    class_metrics(recipe)


def warnings_for(recipe: Recipe, splits: set[str], processes: int = 1) -> list[str]:
    """Warnings about hidden plugins, optimistic scores, untrained encoders and losses of several processes.

    Args:
        recipe: checked recipe.
        splits: splits that have images.
        processes: processes that train together.
    """
    warnings = installed_plugins_hidden_by(used_plugins(recipe))
    if recipe.training.select == "last":
        pass  # nothing is chosen on images that are scored
    elif "val" not in splits:
        warnings.append(
            "There is no validation split: the best epoch is chosen on the test images, so its score is "
            "optimistic. data.split: {by: fraction, val: 0.2} sets validation images aside."
        )
    elif "test" not in splits:
        warnings.append(
            "There are no test images: the final scores are those of the validation images on which the best "
            "epoch was chosen, so they are optimistic."
        )
    encoder = recipe.model.encoder
    if encoder.frozen and encoder.options.get("weights") == "none":
        warnings.append("The encoder has random weights (weights: none) and is frozen: it is never trained.")
    for part in recipe.loss if processes > 1 else ():
        if not is_mean_over_images(part, recipe.data.padded_goal):
            warnings.append(
                f"The loss {part.name} of a batch is not the mean over its images: each of the {processes} "
                "processes computes it over its own images, which gives other gradients than one process."
            )
    return warnings

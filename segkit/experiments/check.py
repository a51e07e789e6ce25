"""Check of a recipe without training: device, files, parts and a dry run of the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from pydantic_core import to_jsonable_python

from segkit.core.class_scores import image_words, never_there, never_trained
from segkit.core.errors import Problem, SegkitError
from segkit.core.model_table import Stage
from segkit.core.registry import ENCODERS
from segkit.core.types import Progress
from segkit.data.class_counts import ClassCounts, count_classes
from segkit.data.preprocess import Prepared
from segkit.experiments.assembly_checks import check_batch_size, check_postprocess, warnings_for
from segkit.experiments.augmentation import try_transforms
from segkit.experiments.objectives import build_loss, build_metric, whole_image_metrics
from segkit.experiments.optimization import try_optimization
from segkit.models.dry_run import dry_run
from segkit.models.training_check import check_training
from segkit.parts.encoders._pretrained import find_weights
from segkit.recipe import Recipe
from segkit.recipe.balanced_weights import weights_in_words, with_balanced_weights
from segkit.recipe.build import build
from segkit.recipe.dataset import (
    dataset_warnings,
    prepare_splits,
    reading_warnings,
    scan_recipe_source,
    scan_samples,
)
from segkit.recipe.fit_warnings import fit_warnings
from segkit.recipe.resolve import pixels_in_words, range_warnings, with_measured_range
from segkit.recipe.training_samples import training_samples
from segkit.training.devices import choose_device, count_processes
from segkit.training.distributed.rank import current_rank_info

Result = TypeVar("Result")


@dataclass(frozen=True)
class CheckReport:
    """Result of a successful check.

    Args:
        recipe: name of the recipe.
        images: number of images by split.
        pixels: channels and range of the model's images; empty for 8-bit RGB.
        weights: weights of losses that are balanced; empty without any.
        classes: pixels and images of each class in the training masks; None if they were not read.
        stages: rows of the model table.
        warnings: warnings, as sentences.
        left_out: training images that `data.fraction` leaves out.
    """

    recipe: str
    images: dict[str, int]
    pixels: str
    weights: str
    classes: ClassCounts | None
    stages: list[Stage]
    warnings: list[str]
    left_out: int = 0

    def as_json(self) -> dict[str, Any]:
        """Plain data for JSON."""
        plain = dict(to_jsonable_python(self))
        return {**plain, "classes": self.classes.as_json() if self.classes else {}}


def check(
    recipe: Recipe, on_progress: Progress = lambda label, done, total: None, *, read_files: bool = True
) -> CheckReport:
    """Choose the device, read all files, build and try the parts, and run the model on the meta device.

    Args:
        recipe: result of `load_recipe`.
        on_progress: callback of (label, done, total).
        read_files: whether to read the images; False if they were checked with another recipe.

    Raises:
        SegkitError: listing all problems.
    """
    problems: list[Problem] = []

    def attempt(step: Callable[[], Result]) -> Result | None:
        try:
            return step()
        except SegkitError as error:
            problems.extend(problem for problem in error.problems if problem not in problems)
            return None

    processes = attempt(partial(count_processes, recipe.training, current_rank_info()))
    resolved = attempt(partial(scan_recipe_source, recipe))
    recipe, scan = resolved or (recipe, None)
    found = attempt(partial(scan_samples, recipe, scan, on_progress)) if scan else None
    samples = attempt(found.whole) if found else None
    if samples and processes:
        attempt(partial(check_batch_size, recipe, len(samples["train"]), processes))
    if samples:
        attempt(partial(check_postprocess, recipe, samples))
    spec = attempt(partial(dry_run, recipe.model, recipe.data))
    for loss in recipe.loss:
        attempt(partial(build_loss, loss, recipe.data.padded_goal))
    parts = {part.key: partial(build_metric, part, recipe.data.padded_goal) for part in recipe.metrics}
    metrics = {key: metric for key, step in parts.items() if (metric := attempt(step))}
    if spec:
        device = choose_device(recipe.training)[0] if processes is not None else ""
        drawn = recipe.data.samples_per_epoch(len(samples["train"])) if samples else recipe.data.batch_size
        attempt(
            partial(check_training, spec, recipe.model, recipe.data, drawn, device, processes=processes or 1)
        )
    steps = recipe.data.steps_per_epoch(len(samples["train"])) if samples else 1
    attempt(partial(try_optimization, recipe, steps))
    downloads = attempt(partial(_weights_to_download, recipe)) or []
    to_read = samples if samples and read_files else {}
    splits = attempt(partial(prepare_splits, recipe, to_read, on_progress)) or {}
    given = recipe
    if samples and (train := splits.get("train")):
        recipe = with_balanced_weights(with_measured_range(recipe, train), train)
        attempt(partial(training_samples, recipe, train, samples["train"]))
    attempt(partial(try_transforms, recipe.data, splits.get("train")))
    if problems or found is None or samples is None or spec is None:
        raise SegkitError.of(problems)
    return CheckReport(
        recipe=recipe.name,
        images={split: len(members) for split, members in samples.items()},
        pixels=pixels_in_words(recipe.data),
        weights=weights_in_words(given, recipe),
        classes=train.counts if train else None,
        stages=spec.stages,
        warnings=[
            *dataset_warnings(found, splits, chosen=recipe.training.select == "best"),
            *_absent_classes(recipe, splits),
            *range_warnings(given, recipe, splits),
            *fit_warnings(recipe.data, recipe.training.epochs, splits, whole_image_metrics(metrics)),
            *warnings_for(recipe, set(samples), processes or 1),
            *spec.warnings,
            *downloads,
            *reading_warnings(splits),
        ],
        left_out=found.left_out,
    )


def _absent_classes(recipe: Recipe, splits: Mapping[str, Prepared]) -> list[str]:
    """Warnings about classes in no training image, and about trained ones in no image of another split."""
    task = recipe.data.goal
    shown: dict[str, dict[str, int]] = {}  # images that show a class, by split
    for split, prepared in splits.items():
        counts = prepared.counts or count_classes(prepared.masks, task)
        shown[split] = dict(zip(counts.names, counts.images, strict=True))
    if not shown:
        return []
    train = shown.pop("train")
    trained = [name for name in task.classes if train[name]]
    warnings = never_trained([name for name in task.classes if not train[name]])
    for split, images in shown.items():
        words = image_words(len(splits[split]), split)
        warnings += never_there([name for name in trained if not images[name]], words)
    return warnings


def _weights_to_download(recipe: Recipe) -> list[str]:
    """A warning about weights that a run would download; nothing is downloaded here."""
    encoder = recipe.model.encoder
    weights = encoder.options.get("weights", "none")
    if weights == "none" or encoder.name in {entry.name for entry in ENCODERS.own()}:
        return []  # plugins load their weights themselves
    if find_weights(encoder.name, weights):
        build(encoder, recipe.data.in_channels)  # fails if the file is damaged or does not fit
        return []
    return [f"The weights {weights} of {encoder.name} are not on this machine: a run will download them."]

"""Check of a recipe without training: device, files, parts and a dry run of the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
from pydantic_core import to_jsonable_python
from torch import nn

from segkit.core.errors import Problem, SegkitError
from segkit.core.model_table import Stage
from segkit.core.registry import ENCODERS
from segkit.core.types import ParameterGroups, Progress
from segkit.experiments.assembly import check_batch_size, warnings_for
from segkit.experiments.objectives import build_loss, build_metric
from segkit.models.dry_run import dry_run
from segkit.parts.encoders._pretrained import find_weights
from segkit.recipe import Recipe
from segkit.recipe.build import build
from segkit.recipe.dataset import dataset_warnings, prepare_splits, reading_warnings, scan_samples
from segkit.training.devices import count_processes
from segkit.training.distributed.rank import current_rank_info

Result = TypeVar("Result")


@dataclass(frozen=True)
class CheckReport:
    """Result of a successful check.

    Args:
        recipe: name of the recipe.
        images: number of images by split.
        stages: rows of the model table.
        warnings: warnings, as sentences.
    """

    recipe: str
    images: dict[str, int]
    stages: list[Stage]
    warnings: list[str]

    def as_json(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return dict(to_jsonable_python(self))


def check(
    recipe: Recipe, on_progress: Progress = lambda label, done, total: None, *, read_files: bool = True
) -> CheckReport:
    """Choose the device, read all files, build the parts, and run the model on the meta device.

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
    found = attempt(partial(scan_samples, recipe))
    samples = attempt(found.whole) if found else None
    if samples and processes:
        attempt(partial(check_batch_size, recipe, len(samples["train"]), processes))
    spec = attempt(partial(dry_run, recipe.model, recipe.data))
    for loss in recipe.loss:
        attempt(partial(build_loss, loss, recipe.data.goal))
    for metric in recipe.metrics:
        attempt(partial(build_metric, metric, recipe.data.goal))
    for transform in recipe.data.augment:
        attempt(partial(build, transform))
    attempt(partial(build, recipe.optimizer, _dummy_parameters()))
    downloads = attempt(partial(_weights_to_download, recipe)) or []
    to_read = samples if samples and read_files else {}
    splits = attempt(partial(prepare_splits, recipe, to_read, on_progress)) or {}
    if problems or found is None or samples is None or spec is None:
        raise SegkitError.of(problems)
    return CheckReport(
        recipe=recipe.name,
        images={split: len(members) for split, members in samples.items()},
        stages=spec.stages,
        warnings=[
            *dataset_warnings(found, splits),
            *warnings_for(recipe, set(samples)),
            *downloads,
            *reading_warnings(splits),
        ],
    )


def _weights_to_download(recipe: Recipe) -> list[str]:
    """A warning about weights that a run would download; nothing is downloaded here."""
    encoder = recipe.model.encoder
    weights = encoder.options.get("weights", "none")
    if weights == "none" or encoder.name in {entry.name for entry in ENCODERS.own()}:
        return []  # plugins load their weights themselves
    if find_weights(encoder.name, weights):
        build(encoder, recipe.data.channels)  # fails if the file is damaged or does not fit
        return []
    return [f"The weights {weights} of {encoder.name} are not on this machine: a run will download them."]


def _dummy_parameters() -> ParameterGroups:
    return [{"params": [nn.Parameter(torch.zeros(1))], "lr_factor": 1.0, "decay": True}]

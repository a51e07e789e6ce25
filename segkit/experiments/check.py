"""`segkit check`: what files and a dry run tell about a recipe that its schema allows. Nothing is trained."""

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
from segkit.experiments.assembly import refuse_empty_shares, warnings_for
from segkit.experiments.objectives import build_loss, build_metric
from segkit.models.dry_run import dry_run
from segkit.parts.encoders._pretrained import find_weights
from segkit.recipe import Recipe
from segkit.recipe.build import build
from segkit.recipe.dataset import find_samples, prepare_splits, reading_warnings
from segkit.training.devices import count_processes
from segkit.training.distributed.rank import current_rank_info

Result = TypeVar("Result")


@dataclass(frozen=True)
class CheckReport:
    """A recipe that can run.

    Args:
        recipe: its name.
        images: number of images by split.
        stages: the model table.
        warnings: what the user should know all the same.
    """

    recipe: str
    images: dict[str, int]
    stages: list[Stage]
    warnings: list[str]

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return dict(to_jsonable_python(self))


def check(
    recipe: Recipe, on_progress: Progress = lambda label, done, total: None, *, read_files: bool = True
) -> CheckReport:
    """Find the device, read all files, build the parts, run the model without numbers.

    Args:
        recipe: as `load_recipe` gives it.
        on_progress: callback of (label, done, total).
        read_files: false where another recipe with the same data was checked before.

    Raises:
        SegkitError: with everything that is wrong, not only the first of it.
    """
    problems: list[Problem] = []

    def attempt(step: Callable[[], Result]) -> Result | None:
        try:
            return step()
        except SegkitError as error:
            problems.extend(problem for problem in error.problems if problem not in problems)
            return None

    processes = attempt(partial(count_processes, recipe.training, current_rank_info()))
    samples = attempt(partial(find_samples, recipe))
    if samples and processes:
        attempt(partial(refuse_empty_shares, recipe, len(samples["train"]), processes))
    spec = attempt(partial(dry_run, recipe.model, recipe.data))
    for loss in recipe.loss:
        attempt(partial(build_loss, loss, recipe.data.goal))
    for metric in recipe.metrics:
        attempt(partial(build_metric, metric, recipe.data.goal))
    for transform in recipe.data.augment:
        attempt(partial(build, transform))
    attempt(partial(build, recipe.optimizer, _any_parameters()))
    missing = attempt(partial(_missing_weights, recipe)) or []
    read = samples if samples and read_files else {}
    splits = attempt(partial(prepare_splits, recipe, read, on_progress)) or {}
    if problems or samples is None or spec is None:
        raise SegkitError.of(problems)
    return CheckReport(
        recipe=recipe.name,
        images={split: len(found) for split, found in samples.items()},
        stages=spec.stages,
        warnings=[*warnings_for(recipe, set(samples)), *missing, *reading_warnings(splits)],
    )


def _missing_weights(recipe: Recipe) -> list[str]:
    """A sentence about weights that a run would first download; the network is not touched.

    Raises:
        WeightsError: if there are no such weights, they do not fit, or the file that is named does not exist.
    """
    encoder = recipe.model.encoder
    weights = encoder.options.get("weights", "none")
    if weights == "none" or encoder.name in {entry.name for entry in ENCODERS.own()}:
        return []  # a plugin's weights are its own affair
    if find_weights(encoder.name, weights):
        build(encoder, recipe.data.channels)  # they are read, and fit
        return []
    return [f"The weights {weights} of {encoder.name} are not on this machine: a run will download them."]


def _any_parameters() -> ParameterGroups:
    """Something for an optimiser to be built over."""
    return [{"params": [nn.Parameter(torch.zeros(1))], "lr_factor": 1.0, "decay": True}]

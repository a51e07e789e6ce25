"""A data set to check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from segkit.core.errors import Problem
from segkit.core.types import Sample, Task
from segkit.data.fit import Fit
from segkit.data.source_scan import SourceScan
from segkit.recipe.dataset import scan_recipe_source, scan_samples

if TYPE_CHECKING:
    from segkit.recipe import Recipe


@dataclass(frozen=True)
class Dataset:
    """A data set to check."""

    about: str  # description in one line
    task: Task
    splits: Mapping[str, Sequence[Sample]]
    problems: Sequence[Problem] = ()  # files that the source could not find or pair
    warnings: Sequence[Problem] = ()  # what a run would go on with
    fit: Fit | None = None  # of the recipe
    recipe: str = ""  # lines of a recipe that reads it, if it was found without one

    @classmethod
    def of(
        cls, scan: SourceScan, about: str, task: Task, fit: Fit | None = None, recipe: str = ""
    ) -> Dataset:
        """The data set of a scanned source, without empty splits."""
        splits = {split: samples for split, samples in scan.splits.items() if samples}
        return cls(about, task, splits, scan.problems, scan.warnings, fit, recipe)


def dataset_of_recipe(recipe: Recipe) -> Dataset:
    """The data set of a recipe, with its splits.

    Raises:
        SegkitError: if the source cannot be built.
    """
    recipe, scan = scan_recipe_source(recipe)
    data = recipe.data
    about = f"{recipe.name}: the source {data.source.name}"
    return Dataset.of(scan_samples(recipe, scan), about, data.goal, data.geometry)

"""A data set to check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from segkit.core.errors import Problem
from segkit.core.types import Progress, Sample, Task
from segkit.data.fit import Fit
from segkit.data.source_scan import SourceScan
from segkit.data.splits import groups_by_split
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
    has_mask_files: bool = False  # whether each mask is one file whose values are classes
    groups: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # by name of sample, by split

    @classmethod
    def of(
        cls, scan: SourceScan, about: str, task: Task, fit: Fit | None = None, recipe: str = ""
    ) -> Dataset:
        """The data set of a scanned source, without empty splits."""
        splits = {split: samples for split, samples in scan.splits.items() if samples}
        return cls(about, task, splits, scan.problems, scan.warnings, fit, recipe)


def dataset_of_recipe(recipe: Recipe, on_progress: Progress = lambda label, done, total: None) -> Dataset:
    """The data set of a recipe, with its splits and groups.

    Args:
        recipe: loaded recipe.
        on_progress: callback of (label, done, total) while masks are counted to balance splits.

    Raises:
        SegkitError: if the source cannot be built.
    """
    recipe, scan = scan_recipe_source(recipe)
    data = recipe.data
    about = f"{recipe.name}: the source {data.source.name}"
    dataset = Dataset.of(scan_samples(recipe, scan, on_progress), about, data.goal, data.geometry)
    return replace(dataset, groups=groups_by_split(dataset.splits, data.split))

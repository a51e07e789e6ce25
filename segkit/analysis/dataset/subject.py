"""What is examined: samples, what they are for, and what their source could not find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from segkit.core.errors import Problem
from segkit.core.types import Sample, Task
from segkit.data.source_scan import SourceScan
from segkit.recipe.dataset import scan_samples

if TYPE_CHECKING:
    from segkit.recipe import Recipe


@dataclass(frozen=True)
class Subject:
    """A data set to examine.

    Args:
        about: what it is, in words.
        task: for the masks' values.
        splits: samples by split.
        problems: what the source could not find or pair.
        size: (height, width) that a recipe brings images to, where there is a recipe.
    """

    about: str
    task: Task
    splits: Mapping[str, Sequence[Sample]]
    problems: Sequence[Problem] = ()
    size: tuple[int, int] | None = None

    @classmethod
    def of(cls, found: SourceScan, about: str, task: Task, size: tuple[int, int] | None = None) -> Subject:
        """Of what a source has found."""
        splits = {split: samples for split, samples in found.splits.items() if samples}
        return cls(about, task, splits, found.problems, size)


def of_recipe(recipe: Recipe) -> Subject:
    """The images of a recipe, divided as it says.

    Raises:
        SegkitError: if the source refuses what the recipe wants of it.
    """
    data = recipe.data
    about = f"{recipe.name}: the source {data.source.name}"
    return Subject.of(scan_samples(recipe), about, data.goal, data.size)

"""Selection of the images to score. No torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from segkit.core.class_scores import image_words
from segkit.core.errors import DataError
from segkit.data.splits import Split
from segkit.inference.evaluation.split_choice import SplitChoice
from segkit.recipe.dataset import find_samples, scan_splits

if TYPE_CHECKING:
    from segkit.core.types import Sample
    from segkit.recipe import Recipe


@dataclass(frozen=True)
class ScoredImages:
    """Images to score."""

    split: str  # train, val, test or all
    samples: list[Sample]

    def __str__(self) -> str:
        """``379 test images``, ``all 24 images``."""
        return f"all {self.words}" if self.split == "all" else self.words

    @property
    def words(self) -> str:
        """``379 test images``, ``24 images``."""
        return image_words(len(self.samples), "" if self.split == "all" else self.split)


def choose_images(
    recipe: Recipe, overrides: Sequence[str] = (), choice: SplitChoice | None = None
) -> ScoredImages:
    """Choose the images to score: by default those that the run reports its scores on.

    If `data.source` is replaced, the recipe's split does not apply: the new source's test images are used, or
    its val images, or all images if it has neither.

    Args:
        recipe: recipe of the run, with overrides.
        overrides: recipe changes, as for `--set`.
        choice: split to score instead.

    Raises:
        DataError: if there are no such images, or files of the data set are damaged.
    """
    replaced = replaces_source(overrides)
    if choice is None and not replaced:
        samples = find_samples(recipe)
        reported = "test" if samples.get("test") else "val"
        return ScoredImages(reported, samples[reported])
    splits = scan_splits(_official_split(recipe) if replaced else recipe).whole()
    if choice is SplitChoice.all or (choice is None and not splits.keys() & {"test", "val"}):
        return ScoredImages("all", _pool_splits(splits))
    split = choice or ("test" if "test" in splits else "val")
    if split not in splits:
        hint = "use " + " or ".join(f"--split {name}" for name in (*splits, SplitChoice.all))
        raise DataError(f"there are no {split} images", where=recipe.data.source.name, hint=hint)
    return ScoredImages(str(split), [*splits[split]])


def replaces_source(overrides: Sequence[str]) -> bool:
    """Whether `data.source` is replaced, so that the recipe's split does not apply."""
    paths = [override.partition("=")[0].strip() for override in overrides]
    return "data.source" in paths and not any(path.startswith("data.split") for path in paths)


def _official_split(recipe: Recipe) -> Recipe:
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"split": Split()})})


def _pool_splits(splits: Mapping[str, Sequence[Sample]]) -> list[Sample]:
    # Names that occur in two splits get the split as prefix.
    counts = Counter(sample.name for samples in splits.values() for sample in samples)
    return [
        replace(sample, name=f"{split}/{sample.name}") if counts[sample.name] > 1 else sample
        for split, samples in splits.items()
        for sample in samples
    ]

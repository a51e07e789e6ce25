"""Which images are scored. No torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from segkit.core.errors import DataError
from segkit.data.splits import Split
from segkit.inference.evaluation.split_choice import SplitChoice
from segkit.recipe.dataset import find_samples, scan_splits

if TYPE_CHECKING:
    from segkit.core.types import Sample
    from segkit.recipe import Recipe


@dataclass(frozen=True)
class Images:
    """The images that are scored.

    Args:
        split: train, val or test, or all.
        samples: in order.
    """

    split: str
    samples: list[Sample]

    def __str__(self) -> str:
        """``379 test images``, ``all 24 images``."""
        images = f"image{'' if len(self.samples) == 1 else 's'}"
        if self.split == "all":
            return f"all {len(self.samples):,} {images}"
        return f"{len(self.samples):,} {self.split} {images}"


def choose_images(recipe: Recipe, overrides: Sequence[str] = (), wanted: SplitChoice | None = None) -> Images:
    """The images that a run reports its scores on, or those that somebody wants.

    Where `data.source` as a whole is set to another one, the division of the run's own images says nothing of
    those: the source's own test images are taken, or its val images, and all where it has neither.

    Args:
        recipe: of the run, changed as the overrides say.
        overrides: as `--set` takes them.
        wanted: which of them, instead.

    Raises:
        DataError: if there are none, or files of the data set are at fault.
    """
    elsewhere = _is_elsewhere(overrides)
    if wanted is None and not elsewhere:
        samples = find_samples(recipe)
        reported = "test" if samples.get("test") else "val"
        return Images(reported, samples[reported])
    splits = scan_splits(_undivided(recipe) if elsewhere else recipe).whole()
    if wanted is SplitChoice.all or (wanted is None and not splits.keys() & {"test", "val"}):
        return Images("all", _pooled(splits))
    split = wanted or ("test" if "test" in splits else "val")
    if split not in splits:
        there = " or ".join(f"--split {name}" for name in (*splits, SplitChoice.all))
        raise DataError(f"there are no {split} images", where=recipe.data.source.name, hint=there)
    return Images(str(split), [*splits[split]])


def _is_elsewhere(overrides: Sequence[str]) -> bool:
    """Whether they name another source, and do not say how it is divided."""
    paths = [override.partition("=")[0].strip() for override in overrides]
    return "data.source" in paths and not any(path.startswith("data.split") for path in paths)


def _undivided(recipe: Recipe) -> Recipe:
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"split": Split()})})


def _pooled(splits: Mapping[str, Sequence[Sample]]) -> list[Sample]:
    """All samples; names that two splits have are told apart."""
    taken = Counter(sample.name for samples in splits.values() for sample in samples)
    return [
        replace(sample, name=f"{split}/{sample.name}") if taken[sample.name] > 1 else sample
        for split, samples in splits.items()
        for sample in samples
    ]

"""Folds of a cross-validation that do not show every class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from segkit.core.class_scores import image_words
from segkit.data.class_counts import count_classes
from segkit.recipe import load_dumped
from segkit.recipe.dataset import find_samples, prepare_splits, scan_recipe_source
from segkit.utils.listing import listed


def fold_without(fold: int, images: int, classes: Sequence[str]) -> list[str]:
    """A sentence about classes that no image of a fold shows; none without any.

    Args:
        fold: number of the fold, from 0.
        images: number of its images.
        classes: their names.
    """
    if not classes:
        return []
    return [
        f"Fold {fold + 1}: none of its {image_words(images)} shows {listed(classes)}. "
        "data.split.balance: true gives every fold its share of every class."
    ]


def folds_without(text: str) -> Iterator[list[str]]:
    """In a child: these sentences of all folds, before any of them is trained.

    Args:
        text: recipe of the first fold.

    Raises:
        DataError: if the images of a fold hold nothing to score, or cannot be read.
    """
    first = load_dumped(text)
    recipe, scan = scan_recipe_source(first)
    split, task = recipe.data.split, recipe.data.goal
    warnings: list[str] = []
    for fold in range(split.folds or 0):
        data = recipe.data.model_copy(update={"split": split.model_copy(update={"fold": fold})})
        of_fold = recipe.model_copy(update={"data": data})
        samples = {"val": find_samples(of_fold, scan)["val"]}
        prepared = prepare_splits(of_fold, samples, lambda label, done, total: None)["val"]
        counts = count_classes(prepared.masks, task)
        shown = dict(zip(counts.names, counts.images, strict=True))
        warnings += fold_without(fold, len(prepared), [name for name in task.classes if not shown[name]])
    yield warnings

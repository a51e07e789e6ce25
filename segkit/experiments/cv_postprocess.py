"""Post-processing of a cross-validation, chosen on the out-of-fold predictions of all images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from segkit.analysis.cross_validation.out_of_fold import SPLIT

if TYPE_CHECKING:
    from segkit.experiments.fold_scores import FoldScores
    from segkit.recipe import Recipe
    from segkit.recipe.postprocess_record import PostprocessRecord
    from segkit.recipe.postprocess_settings import PostprocessSettings

CHOSEN_ON_SCORED = (
    "The post-processing was chosen on the out-of-fold predictions of these images, so the scores of "
    "post-processed masks are optimistic. The gain is measured on images that it was not chosen on."
)


@dataclass(frozen=True)
class CvPostprocess:
    """Post-processing of a cross-validation.

    Args:
        settings: the steps; None if there are none.
        choice: how they were chosen, if they were.
        scored: scores of the post-processed masks of all folds; empty without steps.
    """

    settings: PostprocessSettings | None
    choice: PostprocessRecord | None
    scored: Sequence[FoldScores]


def choose_out_of_fold(recipe: Recipe, scored: Sequence[FoldScores]) -> PostprocessRecord:
    """Choose from the trials of all folds and seeds.

    The predictions of one image by the models of several seeds are kept together like a group.

    Args:
        recipe: recipe of a fold.
        scored: scores of all folds, seed by seed, with trials.
    """
    import torch

    from segkit.experiments.choose_postprocess import Trials

    in_groups = all(fold.groups for fold in scored)
    found = [
        (name, group, [torch.from_numpy(table) for table in rows])
        for fold in scored
        for name, group, rows in zip(
            fold.names, (fold.groups if in_groups else None) or fold.names, fold.trials, strict=True
        )
    ]
    found.sort(key=lambda each: each[0])  # stable: of one image, in the order of the seeds
    groups = [group for _, group, _ in found]
    record = Trials(recipe).decide([rows for *_, rows in found], groups, SPLIT)
    images = len({name for name, *_ in found})
    return record.model_copy(update={"images": images, "groups": len({*groups}) if in_groups else None})

"""Plan of a cross-validation: its folds, and which of their runs are finished. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.core.errors import SegkitError, worded
from segkit.data.splits import Split
from segkit.experiments.existing_runs import ExistingRuns
from segkit.experiments.study_plan import PlannedRun, plan_run
from segkit.recipe.dataset import find_samples, scan_recipe_source
from segkit.recipe.sweep import expand_grid
from segkit.runs.fingerprint import fingerprint

if TYPE_CHECKING:
    from segkit.core.types import Sample
    from segkit.recipe import Recipe


@dataclass(frozen=True)
class CvPlan:
    """Plan of a cross-validation.

    Args:
        recipe: the recipe as it was given, without a fold, but with the group if its split can have one.
        runs: runs of all folds, seed by seed.
        notes: what the folds change in the recipe, and why similar runs are not reused, as sentences.
    """

    recipe: Recipe
    runs: list[PlannedRun]
    notes: list[str]

    @property
    def missing(self) -> list[PlannedRun]:
        """Runs to train."""
        return [planned for planned in self.runs if planned.run is None]


def make_cv_plan(
    recipe: Path,
    *,
    folds: int,
    runs: Path,
    group: str = "",
    seeds: Sequence[int] = (),
    overrides: Sequence[str] = (),
    plugins: Sequence[Path] = (),
    demo: bool = False,
) -> CvPlan:
    """Divide the training and validation images of a recipe into folds, and find the runs of the folds.

    Args:
        recipe: recipe file, or name of a shipped recipe.
        folds: number of folds.
        runs: folder of all runs, searched for runs of the folds.
        group: what keeps images in one fold, as `data.split.group`; by default that of the recipe.
        seeds: seeds that every fold is trained with, on the same folds; by default that of the recipe.
        overrides: changes of the recipe in the form of `--set`.
        plugins: files or folders with parts.
        demo: whether to use synthetic lesions.

    Raises:
        SegkitError: if the recipe cannot be cross-validated, or its images cannot make so many folds.
    """
    given = expand_grid(recipe, overrides, plugins=plugins, demo=demo)[0]
    check_folds(given, folds, recipe)
    changes = [*overrides, *fold_changes(given, folds, group)]
    notes: list[str] = []
    existing, planned = ExistingRuns(runs), []
    scan = None
    for seeded in expand_grid(recipe, changes, (), seeds, plugins, demo=demo):
        if scan is None:
            resolved, scan = scan_recipe_source(seeded)
            notes += _notes(given, scan.splits)
        for fold in range(folds):
            data = resolved.data.model_copy(
                update={"split": seeded.data.split.model_copy(update={"fold": fold})}
            )
            of_fold = seeded.model_copy(update={"data": data})
            samples, identity = find_samples(of_fold, scan), fingerprint(of_fold, scan.splits)
            planned.append(plan_run(of_fold, samples, identity, existing, notes))
    return CvPlan(_with_group(given, group), planned, notes)


def _with_group(given: Recipe, group: str) -> Recipe:
    """The recipe with the group of the folds, if its own split can have one."""
    if not group or given.data.split.by == "official":
        return given
    split = Split.model_validate({**given.data.split.model_dump(), "group": group})
    return given.model_copy(update={"data": given.data.model_copy(update={"split": split})})


def fold_changes(given: Recipe, folds: int, group: str) -> list[str]:
    """What makes the first fold of a recipe, in the form of `--set`.

    Post-processing is a matter of the out-of-fold predictions of all folds.
    """
    split = given.data.split
    kept = {"seed": split.seed, "balance": split.balance, "group": group or split.group}
    as_folds = json.dumps({"by": "kfold", "folds": folds, "fold": 0, **kept}, default=str)
    return [
        f"data.split={as_folds}",
        "training.select=last",
        *(["postprocess=null"] if given.postprocess else []),
    ]


def check_folds(recipe: Recipe, folds: int, file: Path) -> None:
    """Check that a recipe can be cross-validated.

    Raises:
        SegkitError: if there are too few folds, or the recipe has an end or a split that folds cannot have.
    """
    if folds < 2:
        option = worded("--folds", "folds")
        raise SegkitError(
            f"{folds} folds are too few: every fold is trained on the others", hint=f"{option} 5"
        )
    if recipe.training.early_stopping_epochs is not None:
        raise SegkitError(
            "training.early_stopping_epochs chooses the end of training by scores of the images that "
            "cross-validation scores",
            where=str(file),
            hint="--set training.early_stopping_epochs=null, and training.epochs as many as are needed",
        )
    if recipe.data.split.by == "file":
        raise SegkitError(
            "data.split says by file which images are which, so that there is nothing to divide into folds",
            where=str(file),
            hint="--set data.split=official divides the source's training and validation images",
        )


def _notes(given: Recipe, official: Mapping[str, Sequence[Sample]]) -> list[str]:
    notes = []
    if given.training.select == "best":
        notes.append(
            "Every fold keeps the weights of its last epoch (training.select: last): nothing is chosen on "
            "the images that are scored."
        )
    if given.postprocess:
        when = "chosen on" if given.postprocess == "auto" else "applied to"
        notes.append(
            f"The runs of the folds have no post-processing: it is {when} their out-of-fold predictions."
        )
    counts = {split: len(samples) for split, samples in official.items()}
    if val := counts.get("val"):
        notes.append(
            f"The folds divide the {counts.get('train', 0):,} training and the {val:,} validation images of "
            "the source together."
        )
    if given.data.split.by == "fraction":
        notes.append("The folds replace the recipe's split by fraction, and take all of its images.")
    if test := counts.get("test"):
        notes.append(f"The {test:,} test images of the source are in no fold.")
    return notes

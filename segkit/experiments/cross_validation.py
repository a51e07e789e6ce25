"""Cross-validation: train the missing folds, score every image by the models that have not seen it, pool."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.analysis.cross_validation.page import write_page
from segkit.core.errors import SegkitError, worded
from segkit.experiments.cv_postprocess import CvPostprocess, choose_out_of_fold
from segkit.experiments.pooled_scores import CrossValidated, pool
from segkit.experiments.study_events import RunScored, StudyEvent, StudyPlanned
from segkit.experiments.train_runs import check_missing, labelled, plugin_paths, train_missing
from segkit.recipe import dump_recipe
from segkit.recipe.postprocess_settings import PostprocessSettings
from segkit.runs.cv_dir import CvDir, check_folder
from segkit.runs.run_dir import RunDir, write_json
from segkit.utils.atomic import atomic_folder
from segkit.utils.os_errors import cannot_write
from segkit.utils.subprocesses import run_in_subprocesses

if TYPE_CHECKING:
    from segkit.experiments.cv_plan import CvPlan
    from segkit.experiments.fold_scores import FoldScores
    from segkit.experiments.study_plan import PlannedRun
    from segkit.recipe import Recipe


def cross_validate(
    plan: CvPlan, runs: Path, *, jobs: int = 1, command: str = ""
) -> Iterator[StudyEvent | CrossValidated]:
    """Train the missing folds of a plan, and pool the out-of-fold scores of all images.

    Finished runs are reused and interrupted ones resumed, so that it can be repeated after a failure.

    Args:
        plan: result of `make_cv_plan`.
        runs: folder of all runs.
        jobs: number of runs trained at once.
        command: command line that repeats the cross-validation.

    Yields:
        Events of the study, `CrossValidated` last.

    Raises:
        SegkitError: if runs fail, after the others have ended, or cannot be scored.
    """
    missing = plan.missing
    finished = [planned.run.path for planned in plan.runs if planned.run]
    yield StudyPlanned(finished, [planned.label for planned in missing], jobs, plan.notes)
    if missing:
        check_missing(missing[:1])  # folds differ in which images are where
    given = plan.recipe.postprocess
    if given == "auto":
        _check_choice(plan)
    trained = iter((yield from train_missing(missing, runs, jobs)))
    completed = [replace(planned, run=planned.run or next(trained)) for planned in plan.runs]
    scored = yield from _score("score_fold", completed, given == "auto", jobs)
    chosen = choose_out_of_fold(_recipe_of_fold(plan), scored) if given == "auto" else None
    steps = chosen.settings if chosen else given
    masks = list["FoldScores"]()
    if isinstance(steps, PostprocessSettings):
        masks = yield from _score("score_masks", completed, steps, jobs, ", post-processed")
    else:
        steps = None
    yield pool(plan, completed, scored, command, CvPostprocess(steps, chosen, masks))


def _check_choice(plan: CvPlan) -> None:
    from segkit.experiments.objectives import class_metrics  # loads torch

    class_metrics(_recipe_of_fold(plan))


def _recipe_of_fold(plan: CvPlan) -> Recipe:
    recipe = plan.runs[0].recipe
    assert recipe is not None
    return recipe


def _score(
    function: str, completed: Sequence[PlannedRun], argument: Any, jobs: int, what: str = ""
) -> Generator[StudyEvent, None, list[FoldScores]]:
    calls = [(planned.run.path, plugin_paths(), argument) for planned in completed if planned.run]
    scored: dict[int, FoldScores] = {}
    target = f"segkit.experiments.fold_scores:{function}"
    for number, value in run_in_subprocesses(target, calls, at_once=jobs):
        label = f"{completed[number].label}{what}"
        if isinstance(value, SegkitError):
            raise SegkitError.of(labelled(label, value))
        scored[number] = value
        yield RunScored(label, len(scored), len(calls))
    return [scored[number] for number in range(len(calls))]


def write_cross_validation(result: CrossValidated, folder: Path) -> CvDir:
    """Write the directory of a cross-validation; reproducible byte for byte.

    Raises:
        TrainingError: if a file cannot be written; existing files are unchanged.
    """
    target = CvDir(folder)
    check_folder(folder)
    folds = [fold.model_copy(update={"run": target.relative(Path(fold.run))}) for fold in result.record.folds]
    record = result.record.model_copy(update={"folds": folds})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_folder(folder) as new:
            cv = CvDir(new)
            cv.recipe.write_text(dump_recipe(result.recipe), encoding="utf-8", newline="\n")
            cv.write_scores(result.rows, result.scores)
            if len(record.classes) > 1:
                cv.write_class_scores(result.names, [seed.seed for seed in record.seeds], result.counts)
            first = result.rows[: len(result.names)]
            write_page(
                record,
                [RunDir(Path(fold.run)) for fold in result.record.folds],
                result.names,
                {name: values[: len(first)] for name, values in result.scores.items()},
                {name: group for name, _, _, group in first if group},
                cv.page,
            )
            write_json(cv.file, record)
    except OSError as error:
        hint = f"the same again, or {worded('--out', 'the argument out')} with another folder"
        raise cannot_write(error, folder, hint) from error
    return target

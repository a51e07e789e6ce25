"""Result of a search: its best trial, tested once."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from segkit.analysis.tuning.result import FinalScore, Trial, Tuning, best_of
from segkit.analysis.tuning.sentences import judged_by
from segkit.core.errors import SegkitError
from segkit.experiments.train_runs import plugin_paths
from segkit.experiments.tuning.events import TestingWinner, TuningEvent
from segkit.recipe import Recipe, dump_recipe
from segkit.utils.listing import agree, counted
from segkit.utils.subprocesses import run_in_subprocesses

if TYPE_CHECKING:
    from segkit.experiments.tuning.plan import TuningPlan
    from segkit.experiments.tuning.shared_study import SharedStudy
    from segkit.experiments.tuning.tune import TuneOptions
    from segkit.runs.run_dir import RunDir

_TEST = "test"


def outcome(
    plan: TuningPlan, study: SharedStudy, options: TuneOptions
) -> Generator[TuningEvent, None, Tuning]:
    """Describe what a search has found.

    Raises:
        SegkitError: if the mean of the models of the folds cannot be scored.
    """
    trials = study.trials()
    best = best_of(trials, higher_is_better=plan.higher_is_better)
    notes = [*options.warnings]
    test, text, directories = None, "", list[str]()
    if best:
        recipe, planned = plan.runs_of(best.values, options.runs)
        text = dump_recipe(_described(recipe, plan, len(trials)))
        runs = [one.run for one in planned if one.run]
        runs = runs if len(runs) == len(planned) else []
        directories = [str(run.path) for run in runs]
        if plan.test_images:
            test = yield from _test_score(plan, study, best, runs, options.score_mean)
        notes += _notes(plan, best, test)
    if study.ended_early(options.trials):
        notes.append(
            f"The search ended after {counted(len(trials), 'trial')}: {options.sampler} proposed values that "
            "had been tried. Another sampler, or other values, may find more."
        )
    return Tuning(
        recipe=plan.recipe.name,
        study=study.name,
        metric=plan.metric,
        higher_is_better=plan.higher_is_better,
        axes=plan.axes,
        trials=trials,
        asked=options.trials,
        importance=study.importance(),
        images=plan.images,
        folds=plan.folds,
        group=plan.grouped_by,
        test=test,
        best_recipe=text,
        best_runs=directories,
        sampler=options.sampler,
        pruner=options.pruner,
        seed=options.seed,
        storage=options.storage,
        command=options.command,
        source=plan.source,
        overrides=plan.overrides,
        notes=notes,
    )


def _described(recipe: Recipe, plan: TuningPlan, trials: int) -> Recipe:
    """The recipe, which says how its values were chosen: a reader of its scores has to know."""
    chosen = " and ".join(axis.path for axis in plan.axes)
    on = judged_by(plan.images, plan.folds, plan.grouped_by)
    how = f"segkit tune chose {chosen}: the best of {counted(trials, 'trial')} by {plan.metric} on {on}."
    return recipe.model_copy(update={"description": f"{recipe.description} {how}".strip()})


def _notes(plan: TuningPlan, best: Trial, test: FinalScore | None) -> list[str]:
    if not plan.test_images:
        score = "out-of-fold" if plan.folds else "validation"
        aside = "" if plan.folds else " data.split, by fraction, can keep test images aside."
        return [
            f"There are no test images: the best {score} score is that of the best of several trials, "
            f"so it may be too good.{aside}"
        ]
    if test:
        return []
    run = best.folds[0].run if best.folds else best.run
    place = f"{best.machine}, {run}" if best.machine else run
    runs, their = ("runs", "their") if plan.folds else ("run", "its")
    are = agree(1 + plan.folds, "is", "are")
    return [
        f"The {runs} of the best trial {are} on another machine ({place}): the page that is written there "
        f"has {their} score on the test images."
    ]


def _test_score(
    plan: TuningPlan, study: SharedStudy, best: Trial, runs: Sequence[RunDir], score_mean: str
) -> Generator[TuningEvent, None, FinalScore | None]:
    """Test scores of the best trial alone: of its run, or of the mean of the models of its folds.

    They are told to the other machines; the mean is scored once.
    """
    told = study.recall(_TEST)
    is_told = bool(told) and told.pop("trial") == best.number
    if is_told and (plan.folds or not runs):
        return FinalScore(**told)
    if not runs or (plan.folds and not score_mean):
        return None
    if plan.folds:
        yield TestingWinner(plan.test_images)
        test = _scored(score_mean, runs)
    else:
        summary = runs[0].read_summary()
        test = FinalScore(summary.images[_TEST], summary.scores.metrics, summary.scores.intervals)
    study.remember(_TEST, {"trial": best.number, **asdict(test)})
    return test


def _scored(score_mean: str, runs: Sequence[RunDir]) -> FinalScore:
    call = [run.path for run in runs], plugin_paths()
    ((_, test),) = run_in_subprocesses(score_mean, [call])
    if isinstance(test, SegkitError):
        raise test
    assert isinstance(test, FinalScore)
    return test

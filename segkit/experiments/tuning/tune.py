"""Search for the best values of a recipe: each trial is a run, or a cross-validation."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from segkit.analysis.tuning.sentences import judged_by
from segkit.core.errors import SegkitError
from segkit.experiments.tuning.events import Tuned, TuningEvent, TuningStarted, WaitingForOthers
from segkit.experiments.tuning.outcome import outcome
from segkit.experiments.tuning.plan import TuningPlan
from segkit.experiments.tuning.shared_study import SharedStudy
from segkit.experiments.tuning.worker import Worker
from segkit.recipe import dump_recipe
from segkit.utils.subprocesses import run_in_subprocesses

TRAIN = "segkit.experiments.train_runs:train_recipe"
TRAIN_FOLD = "segkit.experiments.fold_scores:train_fold"
_POLL_SECONDS = 2.0


@dataclass(frozen=True)
class TuneOptions:
    """Options of a search.

    Args:
        runs: folder of all runs.
        trials: number of trials, over all workers.
        sampler: Optuna's name.
        pruner: Optuna's name.
        seed: seed of the sampler.
        jobs: runs trained at once.
        storage: storage in words, without user and password.
        command: command line that goes on with the search.
        warnings: of `check_probes`.
        train: function, as ``module:function``, of (recipe as YAML, runs, run to resume), that yields the
            events of a run in a process of its own.
        train_fold: likewise of a fold, whose run may be finished; it yields its `FoldScores` last.
        score_mean: likewise of runs, yields the `FinalScore` of the mean of their models on the test images;
            "" to have none with folds.
    """

    runs: Path
    trials: int
    sampler: str
    pruner: str
    seed: int = 0
    jobs: int = 1
    storage: str = ""
    command: str = ""
    warnings: Sequence[str] = ()
    train: str = TRAIN
    train_fold: str = TRAIN_FOLD
    score_mean: str = ""


def tune(plan: TuningPlan, study: SharedStudy, options: TuneOptions) -> Iterator[TuningEvent]:
    """Train the trials of a search that have not ended, then describe its result.

    Finished runs are not trained again, and interrupted ones are resumed. After an interruption the same call
    goes on.

    Args:
        plan: result of `plan_tuning`.
        study: open study, shared with other workers.
        options: number of trials and the like.

    Yields:
        Events of the search, `Tuned` last.

    Raises:
        TrainingError: if several trials in a row failed, or the storage has gone.
    """
    trials = study.trials()
    running = sum(trial.state == "running" for trial in trials)
    ended = sum(trial.state in ("complete", "pruned") for trial in trials)
    yield TuningStarted(
        options.storage, plan.metric, ended, running, options.trials, options.jobs, options.sampler,
        options.pruner, judged_by(plan.images, plan.folds, plan.grouped_by), plan.folds, options.warnings,
    )  # fmt: skip
    worker = Worker(plan, study, options)
    while True:
        yield from worker.train()
        if study.has_place(options.trials):
            continue
        if not (others := study.unfinished()):
            break
        yield WaitingForOthers(others)
        time.sleep(_POLL_SECONDS)
    yield Tuned((yield from outcome(plan, study, options)))


def check_probes(plan: TuningPlan) -> list[str]:
    """Check recipes with every choice and end of the search space, in a process of its own.

    Returns:
        Sentences about classes that no image of a fold shows.

    Raises:
        SegkitError: with the problems of all of them.
    """
    call = [dump_recipe(recipe) for recipe in plan.probes.values()], [*plan.probes]
    for _, error in run_in_subprocesses("segkit.experiments.train_runs:check_recipes", [call]):
        raise error
    if not plan.folds:
        return []
    first = dump_recipe(next(iter(plan.probes.values())))
    ((_, warnings),) = run_in_subprocesses("segkit.experiments.fold_classes:folds_without", [(first,)])
    if isinstance(warnings, SegkitError):
        raise warnings
    return [*warnings]

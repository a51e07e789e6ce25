"""Search for the best values of a recipe: each trial is a run."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from segkit.analysis.tuning.result import FinalScore, Trial, Tuning, best_of, in_words
from segkit.core.errors import Interrupted, Problem, SegkitError, TrainingError
from segkit.core.events import EpochEnded, RunEnded, RunStarted
from segkit.experiments.existing_runs import ExistingRuns
from segkit.experiments.tuning.events import (
    TrialEnded,
    TrialProgressed,
    Tuned,
    TuningEvent,
    TuningStarted,
    WaitingForOthers,
)
from segkit.experiments.tuning.plan import TuningPlan
from segkit.experiments.tuning.shared_study import SharedStudy
from segkit.recipe import dump_recipe
from segkit.runs.run_dir import RunDir
from segkit.utils.subprocesses import run_in_subprocesses

TRAIN = "segkit.experiments.train_runs:train_recipe"
_POLL_SECONDS = 2.0
_FAILURES = 3  # in a row, after which a search is given up
_TEST = "test"


@dataclass(frozen=True)
class TuneOptions:
    """Options of a search.

    Args:
        runs: folder of all runs.
        trials: number of trials, over all workers.
        sampler: Optuna's name.
        pruner: Optuna's name.
        seed: seed of the sampler.
        jobs: trials trained at once.
        storage: storage in words, without user and password.
        command: command line that goes on with the search.
        train: function, as ``module:function``, of (recipe as YAML, runs, run to resume), that yields the
            events of a run in a process of its own.
    """

    runs: Path
    trials: int
    sampler: str
    pruner: str
    seed: int = 0
    jobs: int = 1
    storage: str = ""
    command: str = ""
    train: str = TRAIN


def tune(plan: TuningPlan, study: SharedStudy, options: TuneOptions) -> Iterator[TuningEvent]:
    """Train the trials of a search that have not ended, then describe its result.

    Trials whose run is finished are not trained again, and interrupted ones are resumed. After an
    interruption the same call goes on.

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
        options.storage, plan.metric, ended, running, options.trials, options.jobs,
        options.sampler, options.pruner,
    )  # fmt: skip
    worker = _Worker(plan, study, options)
    while True:
        yield from worker.train()
        if study.has_place(options.trials):
            continue
        if not (others := study.unfinished()):
            break
        yield WaitingForOthers(others)
        time.sleep(_POLL_SECONDS)
    yield Tuned(_result(plan, study, options))


def check_probes(plan: TuningPlan) -> None:
    """Check recipes with every choice and end of the search space, in a process of its own.

    Raises:
        SegkitError: with the problems of all of them.
    """
    call = [dump_recipe(recipe) for recipe in plan.probes.values()], [*plan.probes]
    for _, error in run_in_subprocesses("segkit.experiments.train_runs:check_recipes", [call]):
        raise error


@dataclass
class _Running:
    """A trial that this worker trains."""

    trial: Trial
    asked: int  # epochs
    epochs: int  # trained for it, here and by workers that were killed
    seconds: float
    pruned: bool = False


@dataclass
class _Worker:
    plan: TuningPlan
    study: SharedStudy
    options: TuneOptions
    running: dict[int, _Running] = field(default_factory=dict)  # by number of the trial
    ended: list[TrialEnded] = field(default_factory=list)  # not yet told
    failures: list[Trial] = field(default_factory=list)  # in a row

    def train(self) -> Iterator[TuningEvent]:
        """Train trials until no place is free."""
        calls: list[int] = []  # numbers of the trials
        events = run_in_subprocesses(self.options.train, self._calls(calls), at_once=self.options.jobs)
        stop: bool | None = None
        try:
            while True:
                try:
                    index, event = events.send(stop)
                except StopIteration:
                    break
                yield from self._told()
                current = self.running.get(calls[index])
                if current is None:
                    stop = None
                    continue
                if isinstance(event, SegkitError):
                    self._failed(current, event)
                    stop = None
                else:
                    stop = self._progressed(current, event)
                    yield TrialProgressed(current.trial, event)
                yield from self._told()
            yield from self._told()
        finally:
            events.close()
            for number in [*self.running]:  # interrupted
                with suppress(SegkitError):  # the storage may be what has failed
                    self._release(number)
        if len(self.failures) >= _FAILURES:
            raise _given_up(self.failures)

    def _calls(self, calls: list[int]) -> Iterator[tuple[Any, ...]]:
        """Arguments of `train`, each when a process is free for it."""
        while len(self.failures) < _FAILURES and (trial := self.study.ask(self.options.trials)):
            current = self.running[trial.number] = _Running(trial, 0, trial.epochs, trial.seconds)
            try:
                recipe, identity = self.plan.recipe_for(trial.values)
            except SegkitError as error:
                self._failed(current, error)
                continue
            current.asked = recipe.training.epochs
            self.study.note(trial.number, asked=current.asked, machine=platform.node())
            existing = ExistingRuns(self.options.runs)
            if run := existing.finished(identity):
                self._reuse(current, run)
                continue
            resumable = existing.resumable(identity, recipe.name, [])
            if resumable and self._report_saved(current, resumable):
                self._end_pruned(current)
                continue
            calls.append(trial.number)
            yield dump_recipe(recipe), self.options.runs, resumable and resumable.path

    def _reuse(self, current: _Running, run: RunDir) -> None:
        self.study.note(current.trial.number, run=str(run.path))
        self._report_saved(current, run)
        self._complete(current, run.read_summary().best.metrics.get(self.plan.metric))

    def _report_saved(self, current: _Running, run: RunDir) -> bool:
        """Report the epochs of a run; returns whether it should be pruned after the last one."""
        prune = False
        if run.metrics.is_file():
            for epoch in run.read_epochs():
                prune = self._report(current, epoch["epoch"], epoch.get(self.plan.metric))
        return prune

    def _report(self, current: _Running, epoch: int, score: float | None) -> bool:
        if score is None or not math.isfinite(score):
            return False
        return self.study.report(current.trial.number, epoch, score) and epoch < current.asked

    def _progressed(self, current: _Running, event: object) -> bool:
        """Record an event of a run; returns whether to stop it."""
        if isinstance(event, RunStarted):
            self.study.note(current.trial.number, run=str(event.directory))
        elif isinstance(event, EpochEnded):
            current.epochs += 1
            current.seconds += event.seconds
            self.study.note(current.trial.number, cost=[current.epochs, current.seconds])
            if current.pruned:
                return False  # it has been asked to stop
            current.pruned = self._report(current, event.epoch, event.metrics.get(self.plan.metric))
            return current.pruned
        elif isinstance(event, RunEnded):
            self._complete(current, event.summary.best.metrics.get(self.plan.metric))
        return False

    def _complete(self, current: _Running, score: float | None) -> None:
        if score is None or not math.isfinite(score):
            self._failed(current, SegkitError(f"{self.plan.metric} is undefined on the validation images"))
            return
        self.study.complete(current.trial.number, score)
        self.failures.clear()
        self._forget(replace(current.trial, state="complete", score=score, **_cost(current)))

    def _end_pruned(self, current: _Running) -> None:
        self.study.prune(current.trial.number)
        self.failures.clear()
        self._forget(replace(current.trial, state="pruned", **_cost(current)))

    def _failed(self, current: _Running, error: SegkitError) -> None:
        number = current.trial.number
        if current.pruned:
            self._end_pruned(current)
        elif isinstance(error, Interrupted):
            self._release(number)
        else:
            text = "; ".join(problem.problem for problem in error.problems)
            self.study.fail(number, text)
            ended = replace(current.trial, state="failed", error=text, **_cost(current))
            self.failures.append(ended)
            self._forget(ended)

    def _release(self, number: int) -> None:
        del self.running[number]
        self.study.release(number)

    def _forget(self, trial: Trial) -> None:
        del self.running[trial.number]
        trials = self.study.trials()
        best = best_of(trials, higher_is_better=self.plan.higher_is_better)
        ended = sum(other.state in ("complete", "pruned") for other in trials)
        self.ended.append(TrialEnded(trial, ended, self.options.trials, best.score if best else None))

    def _told(self) -> Iterator[TuningEvent]:
        while self.ended:
            yield self.ended.pop(0)


def _cost(current: _Running) -> Mapping[str, Any]:
    return {"epochs": current.epochs, "seconds": current.seconds, "asked": current.asked}


def _given_up(failures: Sequence[Trial]) -> TrainingError:
    problems = [
        Problem(f"trial {trial.number} ({in_words(trial.values)}): {trial.error}") for trial in failures
    ]
    hint = "the other trials are kept: repeat the command to go on, or search less"
    problem = f"{len(failures)} trials in a row have failed"
    return TrainingError.of([Problem(problem, hint=hint), *problems])


def _result(plan: TuningPlan, study: SharedStudy, options: TuneOptions) -> Tuning:
    trials = study.trials()
    best = best_of(trials, higher_is_better=plan.higher_is_better)
    notes: list[str] = []
    test, text, directory = None, "", ""
    if best:
        recipe, identity = plan.recipe_for(best.values)
        text = dump_recipe(recipe)
        run = ExistingRuns(options.runs).finished(identity)
        directory = str(run.path) if run else ""
        test = _test_score(study, best, run) if plan.test_images else None
        if not plan.test_images:
            notes.append(
                "There are no test images: the best validation score is that of the best of several trials, "
                "so it is optimistic."
            )
        elif not test:
            place = f"{best.machine}, {best.run}" if best.machine else best.run
            notes.append(
                f"The run of the best trial is on another machine ({place}): the page that is written there "
                "has its score on the test images."
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
        test=test,
        best_recipe=text,
        best_run=directory,
        sampler=options.sampler,
        pruner=options.pruner,
        seed=options.seed,
        storage=options.storage,
        command=options.command,
        source=plan.source,
        overrides=plan.overrides,
        notes=notes,
    )


def _test_score(study: SharedStudy, best: Trial, run: RunDir | None) -> FinalScore | None:
    """Test scores of the best trial alone, from its run; or as the machine told them that has it."""
    if run:
        summary = run.read_summary()
        scores = summary.scores
        test = FinalScore(summary.images[_TEST], scores.metrics, scores.intervals)
        study.remember(_TEST, {"trial": best.number, **asdict(test)})
        return test
    if (told := study.recall(_TEST)) and told.pop("trial") == best.number:
        return FinalScore(**told)
    return None

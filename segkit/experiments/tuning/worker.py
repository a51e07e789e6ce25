"""A worker of a search: asks for trials, trains their runs, and tells how they end."""

from __future__ import annotations

import math
import platform
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

from segkit.analysis.tuning.result import Fold, Trial, best_of, in_words
from segkit.core.errors import Interrupted, Problem, SegkitError, TrainingError
from segkit.core.events import EpochEnded, Event, RunEnded, RunStarted
from segkit.experiments.cv_plan import CvPlan
from segkit.experiments.cv_postprocess import CvPostprocess
from segkit.experiments.fold_scores import FoldScores
from segkit.experiments.pooled_scores import pool
from segkit.experiments.tuning.events import FoldEnded, TrialEnded, TrialProgressed, TuningEvent
from segkit.recipe import Recipe, dump_recipe
from segkit.runs.run_dir import RunDir
from segkit.utils.subprocesses import run_in_subprocesses

if TYPE_CHECKING:
    from segkit.experiments.study_plan import PlannedRun
    from segkit.experiments.tuning.plan import TuningPlan
    from segkit.experiments.tuning.shared_study import SharedStudy
    from segkit.experiments.tuning.tune import TuneOptions

_FAILURES = 3  # in a row, after which a search is given up


@dataclass
class _Running:
    """A trial that this worker trains."""

    trial: Trial
    recipe: Recipe
    runs: list[PlannedRun]  # one, or that of each fold
    epochs: int  # trained for it, here and by workers that were killed
    seconds: float
    step: int = 0  # last epoch or fold with a score that was reported
    scored: dict[int, FoldScores] = field(default_factory=dict)  # by number of the fold

    @property
    def asked(self) -> int:
        """Epochs of the recipe, in all folds."""
        return self.recipe.training.epochs * len(self.runs)


@dataclass
class Worker:
    """Trains trials of a study that others may share."""

    plan: TuningPlan
    study: SharedStudy
    options: TuneOptions
    running: dict[int, _Running] = field(default_factory=dict)  # by number of the trial
    events: list[TuningEvent] = field(default_factory=list)  # not yet told
    failures: list[Trial] = field(default_factory=list)  # in a row

    def train(self) -> Iterator[TuningEvent]:
        """Train trials until no place is free."""
        calls: list[tuple[int, int]] = []  # trial and run of each process
        stopped: set[int] = set()  # processes
        target = self.options.train_fold if self.plan.folds else self.options.train
        events = run_in_subprocesses(target, self._calls(calls), at_once=self.options.jobs)
        stop = False
        try:
            while True:
                try:
                    process, event = events.send(stop or None)
                except StopIteration:
                    break
                yield from self._told()
                number, run = calls[process]
                if number in self.running:
                    self._received(self.running[number], run, event)
                # Pruned, or another fold has failed.
                stop = number not in self.running and process not in stopped and not self._is_last(event)
                stopped |= {process} if stop else set()
                yield from self._told()
            yield from self._told()
        finally:
            events.close()
            for number in [*self.running]:  # interrupted
                with suppress(SegkitError):  # the storage may be what has failed
                    self._release(number)
        if len(self.failures) >= _FAILURES:
            raise _given_up(self.failures)

    def _calls(self, calls: list[tuple[int, int]]) -> Iterator[tuple[Any, ...]]:
        """Arguments of the target, each when a process is free for it."""
        while len(self.failures) < _FAILURES and (trial := self.study.ask(self.options.trials)):
            try:
                recipe, runs = self.plan.runs_of(trial.values, self.options.runs)
            except SegkitError as error:
                self._failed(trial, error)
                continue
            current = _Running(trial, recipe, runs, trial.epochs, trial.seconds)
            self.running[trial.number] = current
            self.study.note(trial.number, asked=current.asked, machine=platform.node())
            for number, planned in enumerate(runs):
                if trial.number not in self.running:  # pruned, or a fold has failed
                    break
                if not self.plan.folds and self._is_saved(current, planned):
                    continue
                calls.append((trial.number, number))
                found = planned.run or planned.resumable
                assert planned.recipe
                yield dump_recipe(planned.recipe), self.options.runs, found and found.path

    def _is_last(self, event: object) -> bool:
        """Whether a process has nothing more to do after an event."""
        return isinstance(event, SegkitError | (FoldScores if self.plan.folds else RunEnded))

    def _is_saved(self, current: _Running, planned: PlannedRun) -> bool:
        """End a trial whose run is finished, or interrupted where it is to be pruned."""
        if run := planned.run:
            self.study.note(current.trial.number, run=str(run.path))
            self._report_saved(current, run)
            self._complete(current, run.read_summary().best.metrics.get(self.plan.metric))
            return True
        if planned.resumable and self._report_saved(current, planned.resumable):
            self._prune(current)
            return True
        return False

    def _report_saved(self, current: _Running, run: RunDir) -> bool:
        """Report the epochs of a run; returns whether it should be pruned after the last one."""
        prune = False
        if run.metrics.is_file():
            for epoch in run.read_epochs():
                prune = self._report(current, epoch["epoch"], epoch.get(self.plan.metric))
        return prune

    def _report(self, current: _Running, step: int, score: float | None) -> bool:
        """Report the score after an epoch or a fold; returns whether to prune the others."""
        current.step = step
        if score is None or not math.isfinite(score):
            return False
        steps = self.plan.folds or current.asked
        return self.study.report(current.trial.number, step, score) and step < steps

    def _received(self, current: _Running, number: int, event: Event | FoldScores | SegkitError) -> None:
        """Record what a process tells of one of a trial's runs."""
        if isinstance(event, SegkitError):
            where = f"fold {number + 1}: " if self.plan.folds else ""
            self._failed(current.trial, event, where)
            return
        if isinstance(event, FoldScores):
            self._scored(current, number, event)
            return
        self.events.append(TrialProgressed(current.trial, event, number + 1 if self.plan.folds else 0))
        if isinstance(event, RunStarted) and not self.plan.folds:
            self.study.note(current.trial.number, run=str(event.directory))
        elif isinstance(event, EpochEnded):
            current.epochs += 1
            current.seconds += event.seconds
            self.study.note(current.trial.number, cost=[current.epochs, current.seconds])
            score = event.metrics.get(self.plan.metric)
            if not self.plan.folds and self._report(current, event.epoch, score):
                self._prune(current)
        elif isinstance(event, RunEnded):
            current.runs[number] = replace(current.runs[number], run=RunDir(event.directory))
            if not self.plan.folds:
                self._complete(current, event.summary.best.metrics.get(self.plan.metric))

    def _scored(self, current: _Running, number: int, scores: FoldScores) -> None:
        """Record a fold; the mean over the first folds is reported as soon as it is known."""
        current.scored[number] = scores
        self.events.append(FoldEnded(current.trial, number + 1, scores.metrics[self.plan.metric]))
        prune = False
        while current.step in current.scored:
            known = [current.scored[fold].metrics[self.plan.metric] for fold in range(current.step + 1)]
            prune = self._report(current, len(known), fmean(known))
        self.study.note(current.trial.number, folds=[*map(asdict, self._folds(current))])
        if len(current.scored) == self.plan.folds:
            self._complete(current, self._pooled(current))
        elif prune:
            self._prune(current)

    def _folds(self, current: _Running) -> Iterator[Fold]:
        for number in range(current.step):
            run, score = current.runs[number].run, current.scored[number].metrics[self.plan.metric]
            assert run
            yield Fold(str(run.path), score if math.isfinite(score) else None)

    def _pooled(self, current: _Running) -> float | None:
        """The score over all images, each out of its fold."""
        scored = [current.scored[number] for number in range(self.plan.folds)]
        cv = CvPlan(current.recipe, current.runs, [])
        pooled = pool(cv, current.runs, scored, "", CvPostprocess(None, None, [])).record.pooled
        return pooled.metrics[self.plan.metric].mean

    def _complete(self, current: _Running, score: float | None) -> None:
        if score is None or not math.isfinite(score):
            on = "out of fold" if self.plan.folds else "on the validation images"
            self._failed(current.trial, SegkitError(f"{self.plan.metric} is undefined {on}"))
            return
        self.study.complete(current.trial.number, score)
        self._ended(replace(current.trial, state="complete", score=score, epochs=current.epochs))

    def _prune(self, current: _Running) -> None:
        steps = self.plan.folds or current.asked
        self.study.note(current.trial.number, saved=current.asked * (steps - current.step) // steps)
        self.study.prune(current.trial.number)
        self._ended(replace(current.trial, state="pruned", epochs=current.epochs))

    def _failed(self, trial: Trial, error: SegkitError, where: str = "") -> None:
        if isinstance(error, Interrupted):
            self._release(trial.number)
            return
        text = where + "; ".join(problem.problem for problem in error.problems)
        self.study.fail(trial.number, text)
        self._ended(replace(trial, state="failed", error=text))

    def _release(self, number: int) -> None:
        del self.running[number]
        self.study.release(number)

    def _ended(self, trial: Trial) -> None:
        self.running.pop(trial.number, None)
        self.failures = [*self.failures, trial] if trial.state == "failed" else []
        trials = self.study.trials()
        best = best_of(trials, higher_is_better=self.plan.higher_is_better)
        ended = sum(other.state in ("complete", "pruned") for other in trials)
        self.events.append(TrialEnded(trial, ended, self.options.trials, best.score if best else None))

    def _told(self) -> Iterator[TuningEvent]:
        while self.events:
            yield self.events.pop(0)


def _given_up(failures: Sequence[Trial]) -> TrainingError:
    problems = [
        Problem(f"trial {trial.number} ({in_words(trial.values)}): {trial.error}") for trial in failures
    ]
    hint = "the other trials are kept: repeat the command to go on, or search less"
    problem = f"{len(failures)} trials in a row have failed"
    return TrainingError.of([Problem(problem, hint=hint), *problems])

"""Progress and result of `segkit tune`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.analysis.report.format import duration
from segkit.cli.console.format import format_number, print_warnings
from segkit.cli.console.progress_view import View
from segkit.cli.console.stream import Screen
from segkit.core.events import EpochEnded, RunStarted, StepEnded
from segkit.utils.listing import agree, counted

if TYPE_CHECKING:
    from segkit.analysis.tuning.result import Trial, Tuning
    from segkit.experiments.tuning.events import TrialEnded, TrialProgressed, TuningEvent, TuningStarted


class TuneView(View):
    """Prints the progress of a search: a bar on a terminal, plain lines otherwise.

    Args:
        quiet: print nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        super().__init__(quiet=quiet)
        self._epochs: dict[int, int] = {}
        self._metric = ""
        self._folds = self._ended = 0
        self._is_waiting = False

    def show(self, event: TuningEvent) -> None:
        """Print an event of a search."""
        from segkit.experiments.tuning.events import (
            FoldEnded,
            TestingWinner,
            TrialEnded,
            TrialProgressed,
            TuningStarted,
            WaitingForOthers,
        )

        if self._quiet:
            return
        if isinstance(event, TuningStarted):
            self._show_start(event)
        elif isinstance(event, TrialProgressed):
            self._show_progress(event)
        elif isinstance(event, FoldEnded):
            self._line.clear()
            score = format_number(event.score)
            self._screen.line(f"{self._label(event.trial, event.fold)}: {self._metric} {score} out of fold")
        elif isinstance(event, TrialEnded):
            self._show_end(event)
        elif isinstance(event, TestingWinner):
            self.note(f"Scoring {counted(event.images, 'test image')}")
        elif isinstance(event, WaitingForOthers):
            if not self._is_waiting:
                self.note(f"Waiting for {counted(event.trials, 'trial')} of other workers")
            self._is_waiting = True
        else:
            self._line.clear()

    def _resume_hint(self) -> str:
        finished = (
            f": {counted(self._ended, 'trial')} {agree(self._ended, 'has', 'have')} ended"
            if self._ended
            else ""
        )
        return f"{finished}; repeat the command to continue"

    def _show_start(self, event: TuningStarted) -> None:
        self._metric, self._ended, self._folds = event.metric, event.done, event.folds
        self._line.clear()
        here = f", {event.jobs} at once" if event.jobs > 1 else ""
        ended = f", {event.done} of them {agree(event.done, 'has', 'have')} ended" if event.done else ""
        elsewhere = f", {event.running} running elsewhere" if event.running else ""
        pruner = f", {event.pruner}" if event.pruner != "NopPruner" else ""
        self._screen.facts(
            {
                "trials": f"{event.total}{ended}{elsewhere}{here}",
                "judged by": f"{event.metric} on {event.judged_by}",
                "sampler": f"{event.sampler}{pruner}",
                "storage": event.storage,
            }
        )
        self.print_warnings(event.warnings)
        if event.done < event.total:
            self.note("Starting the next trial")  # which takes a minute on a slow machine

    def _show_progress(self, progress: TrialProgressed) -> None:
        event, number = progress.event, progress.trial.number
        label = self._label(progress.trial, progress.fold)
        if isinstance(event, StepEnded):
            if self._screen.terminal:
                place = f"{label}, epoch {event.epoch}/{self._epochs.get(number, '?')}"
                self._line.bar(place, event.step, event.steps, f"{self._ended} trials have ended")
            return
        from segkit.analysis.tuning.result import in_words

        self._is_waiting = False
        self._line.clear()
        if isinstance(event, RunStarted):
            self._epochs[number] = event.epochs
            self._screen.line(f"{label}: {in_words(progress.trial.values)}  {event.directory}", "bold")
        elif isinstance(event, EpochEnded):
            score = format_number(event.metrics[self._metric])
            place = f"epoch {event.epoch}/{self._epochs.get(number, '?')}"
            self._screen.line(f"{label}: {place}  {self._metric} {score}  {duration(event.seconds)}")

    def _label(self, trial: Trial, fold: int) -> str:
        return f"trial {trial.number}" + (f", fold {fold} of {self._folds}" if fold else "")

    def _show_end(self, event: TrialEnded) -> None:
        self._ended = event.ended
        trial = event.trial
        self._line.clear()
        best = "" if event.best is None else f", best {self._metric} {format_number(event.best)}"
        of = f"{event.ended} of {event.total} ended{best}"
        if trial.state == "failed":
            self._screen.prose(f"trial {trial.number}: failed: {trial.error}", "yellow", hang=2)
        elif trial.state == "pruned":
            reused = " without training" if not trial.epochs else ""
            self._screen.line(f"trial {trial.number}: pruned{reused}; {of}")
        else:
            reused = ", its run was there" if trial.is_reused else ""
            score = format_number(trial.score or 0.0)
            style = "green" if trial.score == event.best else ""
            self._screen.line(f"trial {trial.number}: {self._metric} {score}{reused}; {of}", style)


def print_tuning(tuning: Tuning, page: Path) -> None:
    """Print the best trial, its test score, cost and the page."""
    from segkit.analysis.tuning.result import shown
    from segkit.analysis.tuning.sentences import cost_sentence, final_sentences, score_kind
    from segkit.core.paths import quoted

    screen = Screen(sys.stdout)
    best = tuning.best
    if best and best.score is not None:
        screen.line(
            f"best of {counted(tuning.count('complete'), 'complete trial')}: trial {best.number}", "bold"
        )
        screen.facts(
            {
                **{path: shown(value) for path, value in best.values.items()},
                f"{tuning.metric} ({score_kind(tuning)})": format_number(best.score),
                **({"run": tuning.best_runs[0]} if len(tuning.best_runs) == 1 else {}),
            }
        )
    screen.line()
    for sentence in (*final_sentences(tuning), cost_sentence(tuning)):
        screen.prose(sentence)
    if tuning.notes:
        print_warnings(screen, tuning.notes)
    screen.line()
    facts = {"page": str(page)}
    if best:
        facts["best recipe"] = str(page.with_name("best.yaml"))
    if len(tuning.best_runs) == 1:
        facts["its model"] = f"segkit predict {quoted(tuning.best_runs[0])} ..."
    screen.facts(facts)

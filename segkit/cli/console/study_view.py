"""Progress of `segkit compare`."""

from __future__ import annotations

from segkit.analysis.report.format import duration
from segkit.cli.console.format import format_number
from segkit.cli.console.progress_view import View
from segkit.core.events import EpochEnded, RunEnded, RunStarted, StepEnded
from segkit.experiments.study_events import (
    Compared,
    Measured,
    RunScored,
    StudyEvent,
    StudyPlanned,
    StudyProgressed,
)
from segkit.utils.listing import listed


class StudyView(View):
    """Prints the plan and progress of a study: a bar on a terminal, plain lines otherwise.

    Args:
        quiet: print nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        super().__init__(quiet=quiet)
        self._epochs: dict[int, int] = {}
        self._finished = 0

    def show(self, event: StudyEvent) -> None:
        """Print an event of a study."""
        if self._quiet:
            return
        if isinstance(event, StudyPlanned):
            self._line.clear()
            self._show_plan(event)
        elif isinstance(event, StudyProgressed):
            self._show_progress(event)
        elif isinstance(event, Measured):
            self._show_measured(event)
        elif isinstance(event, RunScored):
            self._line.clear()
            self._screen.line(f"scored: {event.name}, {event.number} of {event.total}")
        elif isinstance(event, Compared):
            self._line.clear()

    def _resume_hint(self) -> str:
        finished = f": {self._finished} of the missing runs are finished" if self._finished else ""
        return f"{finished}; repeat the command to continue"

    def _show_plan(self, event: StudyPlanned) -> None:
        facts = {}
        if event.finished:
            facts["finished runs"] = f"{len(event.finished)}, not trained again: {listed(event.finished)}"
        if event.missing:
            parallel = f", {event.jobs} in parallel" if event.jobs > 1 else ""
            facts["runs to train"] = f"{len(event.missing)}{parallel}"
        self._screen.facts(facts)
        for note in event.notes:
            self._screen.prose(f"note: {note}", "yellow", hang=2)
        if len(event.missing) > 1:
            self.note("Checking the recipes")

    def _show_progress(self, progress: StudyProgressed) -> None:
        event, label = progress.event, f"{progress.number}/{progress.total} {progress.name}"
        if isinstance(event, StepEnded):
            if self._screen.terminal:
                self._line.bar(
                    f"{label}, epoch {event.epoch}/{self._epochs.get(progress.number, '?')}",
                    event.step, event.steps, f"{self._finished} of {progress.total} runs finished",
                )  # fmt: skip
            return
        self._line.clear()
        if isinstance(event, RunStarted):
            self._epochs[progress.number] = event.epochs
            self._screen.line(f"{label}: {event.directory}", "bold")
        elif isinstance(event, EpochEnded):
            self._screen.line(
                f"{label}: {self._epoch(event, self._epochs[progress.number])}", "green" if event.best else ""
            )
        elif isinstance(event, RunEnded):
            self._finished += 1
            self._screen.line(f"{label}: done, {self._finished} of {progress.total}", "bold")

    def _epoch(self, event: EpochEnded, epochs: int) -> str:
        metric, score = next(iter(event.metrics.items()))
        scores = f"{metric} {format_number(score)}  val loss {format_number(event.val_loss)}"
        best = "  best" if event.best else ""
        return f"epoch {event.epoch:>{len(str(epochs))}}/{epochs}  {scores}  {duration(event.seconds)}{best}"

    def _show_measured(self, event: Measured) -> None:
        if not self._screen.terminal:
            self._screen.line(f"costs measured: {event.name}, {event.number} of {event.total}")
        elif event.number < event.total:
            self._line.bar("measuring costs", event.number, event.total, event.name)
        else:
            self._line.clear()
            self._screen.line(f"costs measured: {event.total} models, one at a time")

"""A comparison in the making, told to a person on standard error while runs are trained and measured."""

from __future__ import annotations

from segkit.analysis.report.format import duration
from segkit.cli.console.format import figure
from segkit.cli.console.progress_view import View
from segkit.core.events import EpochEnded, RunEnded, RunStarted, StepEnded
from segkit.experiments.study_events import Compared, Measured, StudyEvent, StudyPlanned, StudyProgressed


class StudyView(View):
    """Shows what is there, what is trained, and how far that is: a bar on a terminal, lines elsewhere.

    Args:
        quiet: show nothing at all.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        super().__init__(quiet=quiet)
        self._epochs: dict[int, int] = {}
        self._ended = 0

    def show(self, event: StudyEvent) -> None:
        """Show an event of a comparison."""
        if self._quiet:
            return
        if isinstance(event, StudyPlanned):
            self._line.clear()
            self._show_plan(event)
        elif isinstance(event, StudyProgressed):
            self._show_progress(event)
        elif isinstance(event, Measured):
            self._show_measured(event)
        elif isinstance(event, Compared):
            self._line.clear()

    def _kept(self) -> str:
        ended = f"; runs finished: {self._ended}" if self._ended else ""
        return f"{ended}; repeat the command to continue"

    def _show_plan(self, event: StudyPlanned) -> None:
        facts = {"finished": f"{len(event.finished)} runs, not trained again"} if event.finished else {}
        if event.missing:
            at_once = f", {event.jobs} at once" if event.jobs > 1 else ""
            facts["to train"] = f"{len(event.missing)} runs{at_once}"
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
                    event.step, event.steps, f"{self._ended} of {progress.total} runs finished",
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
            self._ended += 1
            self._screen.line(f"{label}: done, {self._ended} of {progress.total}", "bold")

    def _epoch(self, event: EpochEnded, epochs: int) -> str:
        metric, score = next(iter(event.metrics.items()))
        return (
            f"epoch {event.epoch:>{len(str(epochs))}}/{epochs}  {metric} {figure(score)}"
            f"  val loss {figure(event.val_loss)}  {duration(event.seconds)}{'  best' if event.best else ''}"
        )

    def _show_measured(self, event: Measured) -> None:
        if self._screen.terminal and event.number < event.total:
            self._line.bar("measuring costs", event.number, event.total, event.name)
        else:
            self._line.clear()
            if event.number == event.total:
                self._screen.line(f"costs measured: {event.total} models, one after the other")

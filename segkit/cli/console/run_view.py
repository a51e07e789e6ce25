"""Progress of a training run."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.analysis.report.format import duration
from segkit.cli.console.class_scores import print_class_scores
from segkit.cli.console.epoch_table import EpochTable, epoch_line
from segkit.cli.console.format import (
    format_number,
    format_scores,
    images_in_words,
    print_model,
    print_warnings,
)
from segkit.cli.console.progress_view import View
from segkit.cli.console.stream import Screen
from segkit.core.events import EpochEnded, Event, RunEnded, RunStarted, StepEnded
from segkit.utils.listing import counted

if TYPE_CHECKING:
    from segkit.runs.schema import Summary


class RunView(View):
    """Prints notes, progress and events: bars and a table on a terminal, plain lines otherwise.

    Args:
        quiet: print nothing.
        clock: function that returns the time in seconds.
        directory: run directory, if the run is resumed.
    """

    def __init__(
        self,
        *,
        quiet: bool = False,
        directory: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(quiet=quiet)
        self._eta = _TimeEstimate(clock)
        self._table: EpochTable | None = None
        self._phases: set[str] = set()
        self._directory = directory

    def progress(self, label: str, done: int, total: int, details: str = "", /) -> None:
        """Show progress of preparing data, scoring images or downloading files.

        Args:
            label: name of the phase.
            done: amount done.
            total: total amount; 0 if unknown.
            details: progress within the current item, shown on a terminal.
        """
        if self._quiet:
            return
        if not self._screen.terminal:
            # Scoring is repeated every epoch; a log needs the line once.
            if label not in self._phases:
                self._phases.add(label)
                self._screen.line(f"{label}: {total:,}" if total else label)
        elif 0 < total <= done:
            self._line.clear()
        else:
            self._line.bar(label, done, total, details)

    def show(self, event: Event) -> None:
        """Print an event of a run."""
        if self._quiet:
            return
        if isinstance(event, StepEnded):
            self._show_step(event)
        else:
            self._line.clear()
            if isinstance(event, RunStarted):
                self._eta.start(event.epochs)
                self._directory = event.directory
                _print_start(self._screen, event)
            elif isinstance(event, EpochEnded):
                self._show_epoch(event)
            else:
                _print_end(self._screen, event)

    def stopping(self) -> None:
        """Confirm a request to stop."""
        if not self._quiet:
            self._line.clear()
            self._screen.line("Saving, then stopping. Press Ctrl-C again to stop immediately.")

    def _resume_hint(self) -> str:
        from segkit.core.paths import quoted  # imports pydantic

        return f"; to continue: segkit resume {quoted(self._directory)}" if self._directory else ""

    def _show_step(self, event: StepEnded) -> None:
        if self._screen.terminal:
            total = f"/{self._eta.epochs}" if self._eta.epochs else ""
            details = f"loss {format_number(event.loss)}  {duration(self._eta.seconds_left(event))} left"
            self._line.bar(f"epoch {event.epoch}{total}", event.step, event.steps, details)

    def _show_epoch(self, event: EpochEnded) -> None:
        self._eta.epoch_ended(event)
        if not self._screen.terminal:
            self._screen.line(epoch_line(event, self._eta.epochs))
            return
        if self._table is None:
            self._table = EpochTable(list(event.metrics), self._screen.width)
            if left_out := self._table.left_out:
                self._screen.prose(f"not shown: {', '.join(left_out)} (see metrics.jsonl)", "dim")
            self._screen.line(self._table.header, "bold")
        self._screen.line(self._table.row(event), "green" if event.best else "")


class _TimeEstimate:
    """Estimate of the remaining time, from the duration of the last epoch."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.epochs = 0
        self._clock = clock
        self._epoch_started = clock()
        self._epoch_seconds: float | None = None

    def start(self, epochs: int) -> None:
        self.epochs = epochs
        self._epoch_started = self._clock()

    def seconds_left(self, event: StepEnded) -> float:
        elapsed = self._clock() - self._epoch_started
        # In the first epoch, extrapolate from its steps so far.
        epoch_seconds = self._epoch_seconds or elapsed * event.steps / event.step
        return epoch_seconds * max(self.epochs - event.epoch, 0) + max(epoch_seconds - elapsed, 0)

    def epoch_ended(self, event: EpochEnded) -> None:
        self._epoch_seconds = event.seconds
        self._epoch_started = self._clock()


def _print_start(screen: Screen, event: RunStarted) -> None:
    screen.rule(event.recipe)
    facts = {} if screen.terminal else {"recipe": event.recipe}
    facts |= {
        "run directory": str(event.directory),
        "images": images_in_words(event.images),
        **({"pixels": event.pixels} if event.pixels else {}),
        "device": f"{event.device}; precision {event.precision}",
        "epochs": f"at most {event.epochs}, each scored on {event.val_split}",
    }
    if event.weights:
        facts["balanced"] = event.weights
    if event.ema_decay:
        facts["epochs"] += f"; {_averaged(event.ema_decay)} are scored and saved"
    if event.epochs_done or event.steps_done:
        step = f" and step {event.steps_done} of epoch {event.epochs_done + 1}" if event.steps_done else ""
        facts["resumed"] = f"after epoch {event.epochs_done}{step}"
    screen.facts(facts)
    screen.line()
    print_model(screen, event.stages)
    screen.line()
    print_warnings(screen, event.warnings)
    if event.warnings:
        screen.line()


def _print_end(screen: Screen, event: RunEnded) -> None:
    summary: Summary = event.summary
    changed = summary.frozen_encoder is not None and not summary.frozen_encoder.unchanged
    screen.line()
    screen.rule(f"{summary.recipe}: {summary.status}", "red" if changed else "green")
    screen.facts({**_end_facts(summary), "report": str(event.report)})
    if len(summary.classes) > 1:
        screen.line()
        print_class_scores(screen, summary.scores.per_class, "summary.json")
    if summary.warnings:  # again, beside the scores that they are about
        screen.line()
        print_warnings(screen, summary.warnings)
    screen.rule(style="red" if changed else "green")


def _end_facts(summary: Summary) -> dict[str, str]:
    best, scores, details = summary.best, summary.scores, summary.metric_details
    windows = f"{counted(summary.validate_windows, 'window')} of " if summary.validate_windows else ""
    scored_on = f"{windows}{summary.scored_on}"
    facts = {
        f"{summary.select} epoch": f"{best.epoch}, with "
        f"{format_scores(best.metrics, details)} on {scored_on}",
        f"scores on {scores.split}": format_scores(scores.metrics, details),
    }
    if summary.ema_decay:
        facts["scored weights"] = _averaged(summary.ema_decay)
    if reference := summary.reference:
        facts["reference"] = f"{format_scores(reference.metrics)} ({reference.source})"
    facts["time"] = (
        f"{duration(summary.seconds or 0)}, {summary.images_per_second or 0:.1f} images/s in training"
    )
    if frozen := summary.frozen_encoder:
        facts["frozen encoder"] = "unchanged" if frozen.unchanged else "CHANGED, although it is frozen"
    return facts


def _averaged(decay: float) -> str:
    return f"averaged weights (EMA, decay {decay:g})"

"""Small runs, followed by trackers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from segkit.core.errors import Interrupted
from segkit.core.events import EpochEnded
from segkit.experiments.resume import resume
from segkit.experiments.run import run
from segkit.runs.run_dir import RunDir
from segkit.runs.trackers import tracking
from segkit.utils.signals import StopSignal
from tests.small_runs import recipe


def followed(
    folder: Path, names: Sequence[str], *overrides: str, warn: Callable[[str], None] = lambda text: None
) -> RunDir:
    """A whole run of the small recipe."""
    with tracking(names, warn=warn) as hear:
        for event in run(recipe(folder, *overrides), folder / "runs"):
            hear(event)
    return RunDir.open(folder / "runs" / "small" / "001")


def stopped(folder: Path, names: Sequence[str], after: int = 1) -> RunDir:
    """A run that was stopped after so many of two epochs."""
    stop = StopSignal()
    try:
        with tracking(names) as hear:
            for event in run(recipe(folder), folder / "runs", stop=stop):
                hear(event)
                stop.requested = isinstance(event, EpochEnded) and event.epoch == after
    except Interrupted:
        return RunDir(folder / "runs" / "small" / "001")
    raise AssertionError("it was not stopped")


def gone_on(directory: RunDir, names: Sequence[str]) -> list[str]:
    """Resume a run, or send one that has ended; gives what the trackers said."""
    said: list[str] = []
    with tracking(names, said.append) as hear:
        for event in resume(directory.path):
            hear(event)
    return said


def epochs_of(directory: RunDir, name: str) -> list[float]:
    """One figure of every epoch, as the run directory has it."""
    return [line[name] for line in directory.read_epochs()]

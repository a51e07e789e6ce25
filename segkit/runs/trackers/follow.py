"""Trackers as readers of a run's events; they never affect the run."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from segkit.core.errors import Interrupted, SegkitError
from segkit.core.events import EpochEnded, Event, RunEnded, RunStarted
from segkit.core.paths import quoted
from segkit.runs.run_dir import RunDir
from segkit.runs.trackers.flat_metrics import epoch_metrics, final_metrics, flat_recipe
from segkit.runs.trackers.tracker import Outcome, TrackedRun, Tracker

TRACKERS = {"mlflow": "Mlflow", "tensorboard": "TensorBoard", "wandb": "Wandb"}
_MAX_REASON = 300  # characters; some libraries add pages


@contextmanager
def tracking(
    names: Sequence[str],
    info: Callable[[str], None] = lambda text: None,
    warn: Callable[[str], None] = lambda text: None,
) -> Iterator[Callable[[Event], None]]:
    """Track a run.

    Args:
        names: names of trackers; see `TRACKERS`.
        info: callback for the location of the run at each tracker.
        warn: callback for a tracker that fails during the run; it is disabled, the run continues.

    Yields:
        A function to call with every event of the run.

    Raises:
        SegkitError: if a tracker is unknown, not installed or cannot be set up, here or at the first event.
    """
    trackers = _Trackers(info, warn)
    outcome: Outcome = "failed"
    try:
        for name, make in {name: _tracker_class(name) for name in names}.items():
            trackers.add(name, make)
        yield trackers.on_event
        outcome = "complete"
    except (Interrupted, KeyboardInterrupt):
        outcome = "interrupted"
        raise
    finally:
        trackers.close(outcome)


class _Trackers:
    """The trackers of one run that have not failed."""

    def __init__(self, info: Callable[[str], None], warn: Callable[[str], None]) -> None:
        self._info, self._warn = info, warn
        self._trackers: dict[str, Tracker] = {}
        self._run: TrackedRun | None = None

    def add(self, name: str, make: Any) -> None:
        try:
            self._trackers[name] = make()
        except Exception as error:
            raise _setup_error(name, error, make.hint) from error

    def on_event(self, event: Event) -> None:
        if not self._trackers:
            return
        if isinstance(event, RunStarted):
            self._begin(event.directory)
        elif isinstance(event, EpochEnded):
            metrics = epoch_metrics({**asdict(event), **event.metrics})
            self._each(lambda tracker: tracker.epoch(event.epoch, metrics))
        elif isinstance(event, RunEnded):
            run = self._run or self._begin(event.directory)
            self._each(lambda tracker: tracker.end(run, final_metrics(event.summary)))

    def close(self, outcome: Outcome) -> None:
        self._each(lambda tracker: tracker.close(outcome))

    def _begin(self, folder: Path) -> TrackedRun:
        directory = RunDir(folder)
        lines = directory.read_epochs() if directory.metrics.is_file() else []
        epochs = {line["epoch"]: epoch_metrics(line) for line in lines}
        self._run = TrackedRun(directory, flat_recipe(directory.read_recipe()), epochs)
        for name, tracker in self._trackers.items():
            try:
                self._info(f"{name}: {tracker.begin(self._run)}")
            except Exception as error:
                hint = f"{tracker.hint}; " if tracker.hint else ""
                hint += f"segkit resume {quoted(folder)} continues without --track {name}"
                raise _setup_error(name, error, hint) from error
        return self._run

    def _each(self, call: Callable[[Tracker], None]) -> None:
        for name, tracker in [*self._trackers.items()]:
            try:
                call(tracker)
            except Exception as error:
                del self._trackers[name]
                path = self._run and self._run.directory.path
                later = f"; segkit resume {quoted(path)} --track {name} sends the rest later" if path else ""
                self._warn(f"{name} failed and no longer tracks this run{later}: {_reason(error)}")


def _tracker_class(name: str) -> Any:
    if name not in TRACKERS:
        near = difflib.get_close_matches(name, TRACKERS, n=1)
        guess = f"did you mean {near[0]!r}? " if near else ""
        raise SegkitError(f"no tracker is called {name!r}", hint=f"{guess}trackers: {', '.join(TRACKERS)}")
    try:
        module = import_module(f"segkit.runs.trackers.{name}")
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == name
        problem = f"{name} is not installed" if missing else f"{name} cannot be imported: {_reason(error)}"
        raise SegkitError(problem, where=f"--track {name}", hint=f"python -m pip install {name}") from error
    return getattr(module, TRACKERS[name])


def _setup_error(name: str, error: Exception, hint: str) -> SegkitError:
    if isinstance(error, SegkitError):
        return error
    return SegkitError(f"the tracker cannot be set up: {_reason(error)}", where=f"--track {name}", hint=hint)


def _reason(error: Exception) -> str:
    message = " ".join(str(error).split()) or type(error).__name__
    return message if len(message) <= _MAX_REASON else f"{message[:_MAX_REASON].rstrip()} ..."

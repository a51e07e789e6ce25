"""Trackers are readers of events: a run that is followed does the same as one that is not."""

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
from segkit.runs.run_dir import RunDir
from segkit.runs.trackers.flat_metrics import epoch_figures, final_figures, flat_recipe
from segkit.runs.trackers.tracker import Ending, Followed, Tracker

TRACKERS = {"mlflow": "Mlflow", "tensorboard": "TensorBoard", "wandb": "Wandb"}
_LONGEST_REASON = 300


@contextmanager
def tracking(
    names: Sequence[str],
    say: Callable[[str], None] = lambda text: None,
    warn: Callable[[str], None] = lambda text: None,
) -> Iterator[Callable[[Event], None]]:
    """Have trackers follow a run while the body hands over its events.

    Args:
        names: of trackers; see `TRACKERS`.
        say: told where a tracker's page of the run is.
        warn: told when a tracker fails while the run goes on; it is left out from then on.

    Yields:
        A function to call with every event of the run.

    Raises:
        SegkitError: if a tracker is not known, not installed, or cannot be set up; this, or the first event
            that is handed over, tells of it before anything is trained.
    """
    followers = _Followers(say, warn)
    ending: Ending = "failed"
    try:
        for name, make in {name: _known(name) for name in names}.items():
            followers.add(name, make)
        yield followers.hear
        ending = "complete"
    except (Interrupted, KeyboardInterrupt):
        ending = "interrupted"
        raise
    finally:
        followers.close(ending)


class _Followers:
    """The trackers of one run, without those that have failed."""

    def __init__(self, say: Callable[[str], None], warn: Callable[[str], None]) -> None:
        self._say, self._warn = say, warn
        self._trackers: dict[str, Tracker] = {}
        self._run: Followed | None = None

    def add(self, name: str, make: Any) -> None:
        try:
            self._trackers[name] = make()
        except Exception as error:
            raise _not_set_up(name, error, make.hint) from error

    def hear(self, event: Event) -> None:
        if not self._trackers:
            return
        if isinstance(event, RunStarted):
            self._begin(event.directory)
        elif isinstance(event, EpochEnded):
            figures = epoch_figures({**asdict(event), **event.metrics})
            self._each(lambda tracker: tracker.epoch(event.epoch, figures))
        elif isinstance(event, RunEnded):
            run = self._run or self._begin(event.directory)
            self._each(lambda tracker: tracker.end(run, final_figures(event.summary)))

    def close(self, ending: Ending) -> None:
        self._each(lambda tracker: tracker.close(ending))

    def _begin(self, folder: Path) -> Followed:
        directory = RunDir(folder)
        epochs = {line["epoch"]: epoch_figures(line) for line in _recorded(directory)}
        self._run = Followed(directory, flat_recipe(directory.read_recipe()), epochs)
        for name, tracker in self._trackers.items():
            try:
                self._say(f"{name}: {tracker.begin(self._run)}")
            except Exception as error:
                hint = f"{tracker.hint}; " if tracker.hint else ""
                hint += f"without --track {name}, segkit resume {folder} goes on"
                raise _not_set_up(name, error, hint) from error
        return self._run

    def _each(self, do: Callable[[Tracker], None]) -> None:
        for name, tracker in [*self._trackers.items()]:
            try:
                do(tracker)
            except Exception as error:
                del self._trackers[name]
                later = (
                    f"; segkit resume {self._run.directory.path} --track {name} sends it later"
                    if self._run
                    else ""
                )
                self._warn(f"{name} has failed, and is told no more of this run{later}: {_reason(error)}")


def _known(name: str) -> Any:
    """The class of a tracker."""
    if name not in TRACKERS:
        near = difflib.get_close_matches(name, TRACKERS, n=1)
        guess = f"did you mean {near[0]!r}? " if near else ""
        raise SegkitError(f"no tracker is called {name!r}", hint=f"{guess}there are {', '.join(TRACKERS)}")
    try:
        module = import_module(f"segkit.runs.trackers.{name}")
    except ImportError as error:
        lacking = isinstance(error, ModuleNotFoundError) and error.name == name
        problem = f"{name} is not installed" if lacking else f"{name} cannot be imported: {_reason(error)}"
        raise SegkitError(problem, where=f"--track {name}", hint=f"python -m pip install {name}") from error
    return getattr(module, TRACKERS[name])


def _recorded(directory: RunDir) -> list[dict[str, Any]]:
    return directory.read_epochs() if directory.metrics.is_file() else []


def _not_set_up(name: str, error: Exception, hint: str) -> SegkitError:
    if isinstance(error, SegkitError):
        return error
    return SegkitError(f"it cannot be set up: {_reason(error)}", where=f"--track {name}", hint=hint)


def _reason(error: Exception) -> str:
    """What a library says, without the pages that some add."""
    said = " ".join(str(error).split()) or type(error).__name__
    return said if len(said) <= _LONGEST_REASON else f"{said[:_LONGEST_REASON].rstrip()} ..."

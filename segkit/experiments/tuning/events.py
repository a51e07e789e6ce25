"""Events yielded by `tune`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from segkit.core.events import Event

if TYPE_CHECKING:
    from segkit.analysis.tuning.result import Trial, Tuning


@dataclass(frozen=True)
class TuningStarted:
    """The storage is open.

    Args:
        storage: storage, without user and password.
        metric: metric by which trials are judged.
        done: trials that have ended, here or elsewhere.
        running: trials that other workers train.
        total: number of trials over all workers.
        jobs: trials trained at once here.
        sampler: Optuna's name.
        pruner: Optuna's name.
    """

    storage: str
    metric: str
    done: int
    running: int
    total: int
    jobs: int
    sampler: str
    pruner: str


@dataclass(frozen=True)
class TrialProgressed:
    """An event of a trial's run."""

    trial: Trial
    event: Event


@dataclass(frozen=True)
class TrialEnded:
    """A trial is complete, pruned or failed.

    Args:
        trial: the trial.
        ended: number of complete and pruned trials, over all workers.
        total: number of trials.
        best: best score so far; None without a complete trial.
    """

    trial: Trial
    ended: int
    total: int
    best: float | None


@dataclass(frozen=True)
class WaitingForOthers:
    """Other workers still train the last trials; they are taken up here if their workers are killed."""

    trials: int


@dataclass(frozen=True)
class Tuned:
    """The search has ended."""

    tuning: Tuning


TuningEvent = TuningStarted | TrialProgressed | TrialEnded | WaitingForOthers | Tuned

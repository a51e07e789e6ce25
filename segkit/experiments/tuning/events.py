"""Events yielded by `tune`."""

from __future__ import annotations

from collections.abc import Sequence
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
        judged_by: what judges trials, in words.
        folds: number of folds; 0 if validation images judge trials.
        warnings: what is the matter with the images of folds, as sentences.
    """

    storage: str
    metric: str
    done: int
    running: int
    total: int
    jobs: int
    sampler: str
    pruner: str
    judged_by: str
    folds: int = 0
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class TrialProgressed:
    """An event of a trial's run, or of that of a fold, from 1; 0 without folds."""

    trial: Trial
    event: Event
    fold: int = 0


@dataclass(frozen=True)
class FoldEnded:
    """A fold of a trial, from 1, is trained and scored."""

    trial: Trial
    fold: int
    score: float


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
class TestingWinner:
    """The mean of the models of the best trial is scored on the test images."""

    images: int


@dataclass(frozen=True)
class Tuned:
    """The search has ended."""

    tuning: Tuning


TuningEvent = (
    TuningStarted | TrialProgressed | FoldEnded | TrialEnded | WaitingForOthers | TestingWinner | Tuned
)

"""What a run says while it happens. Console, run directory and trackers are all just readers of these.

No torch here: numbers are plain floats, so that anything can read an event.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segkit.core.model_table import Stage


@dataclass(frozen=True)
class RunStarted:
    """Everything is built; training is about to begin.

    Args:
        recipe: the recipe's name.
        directory: the run directory.
        images: number of images by split: train, val, test.
        val_split: the split that is scored after every epoch and chooses the best one.
        stages: the model table.
        device: such as "cpu, 2 threads" or "cuda: NVIDIA H100".
        precision: such as "32-true".
        epochs: how many at most.
        metrics: names of the metrics, in the recipe's order; the first chooses the best epoch.
        warnings: whole sentences for the user, also in the report.
        epochs_done: before this start, of a run that goes on.
        steps_done: of the epoch after them.
    """

    recipe: str
    directory: Path
    images: dict[str, int]
    val_split: str
    stages: list[Stage]
    device: str
    precision: str
    epochs: int
    metrics: list[str]
    warnings: list[str] = field(default_factory=list)
    epochs_done: int = 0
    steps_done: int = 0


@dataclass(frozen=True)
class StepEnded:
    """One training step is done. `step` counts from 1 to `steps` within the epoch."""

    epoch: int
    step: int
    steps: int
    loss: float


@dataclass(frozen=True)
class EpochEnded:
    """One epoch of training, and the scoring after it.

    Args:
        epoch: counted from 1.
        train_loss: mean over the epoch's images, with augmentation and dropout, while learning.
        val_loss: mean over the scored images, each taken alone.
        metrics: by name.
        learning_rate: of the decoder, at the epoch's end.
        seconds: training and scoring.
        train_seconds: training alone.
        images_per_second: in training.
        best: whether this is the best epoch so far.
    """

    epoch: int
    train_loss: float
    val_loss: float
    metrics: dict[str, float]
    learning_rate: float
    seconds: float
    train_seconds: float
    images_per_second: float
    best: bool


@dataclass(frozen=True)
class RunEnded:
    """The run is complete and its directory written.

    Args:
        directory: the run directory.
        summary: what `summary.json` holds, a `runs.schema.Summary`.
        report: the page to open.
    """

    directory: Path
    summary: Any
    report: Path


Event = RunStarted | StepEnded | EpochEnded | RunEnded

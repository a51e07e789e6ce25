"""Events yielded by `fit` and `run`; their numbers are plain floats. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segkit.core.model_table import Stage


@dataclass(frozen=True)
class RunStarted:
    """Setup is complete and training begins.

    Args:
        recipe: name of the recipe.
        directory: run directory.
        images: number of images by split: train, val, test.
        val_split: split that is scored after every epoch and selects the best one.
        stages: rows of the model table.
        device: description such as "cpu, 2 threads" or "cuda: NVIDIA H100".
        precision: numeric precision such as "32-true".
        epochs: maximum number of epochs.
        metrics: names of the metrics, in the recipe's order; the first selects the best epoch.
        warnings: sentences for the user, also shown in the report.
        epochs_done: epochs completed before a resume.
        steps_done: steps completed of the next epoch.
        ema_decay: decay of the moving average of the weights, which is scored and saved; None without one.
        untrained_classes: classes that are in no training image.
        pixels: channels and range of the model's images; empty for 8-bit RGB.
        weights: weights of losses that were balanced; empty without any.
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
    ema_decay: float | None = None
    untrained_classes: list[str] = field(default_factory=list)
    pixels: str = ""
    weights: str = ""


@dataclass(frozen=True)
class StepEnded:
    """A training step is done. `step` counts from 1 to `steps` within the epoch."""

    epoch: int
    step: int
    steps: int
    loss: float


@dataclass(frozen=True)
class EpochEnded:
    """An epoch is trained and evaluated.

    Args:
        epoch: number of the epoch, from 1.
        train_loss: mean over the epoch's images, with augmentation and dropout.
        val_loss: mean of the per-image losses on the validation images.
        metrics: scores by metric.
        learning_rate: learning rate of the decoder in the epoch's last step.
        seconds: duration of training and evaluation.
        train_seconds: duration of training.
        images_per_second: training throughput.
        best: whether this is the best epoch so far; never with select: last.
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
    """The run is complete and all files of its directory are written.

    Args:
        directory: run directory.
        summary: content of `summary.json`, a `runs.schema.Summary`.
        report: HTML report.
    """

    directory: Path
    summary: Any
    report: Path


Event = RunStarted | StepEnded | EpochEnded | RunEnded

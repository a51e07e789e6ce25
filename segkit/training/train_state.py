"""Training state: model, optimiser, schedule, moving average and progress."""

from __future__ import annotations

import math
import warnings
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from segkit.training.ema import moving_average

if TYPE_CHECKING:
    from torch.optim.swa_utils import AveragedModel

    from segkit.core.types import Schedule
    from segkit.recipe.training_settings import TrainingSettings


@dataclass
class EpochProgress:
    """Progress within an epoch.

    Args:
        steps: training steps done.
        images: images seen.
        loss: summed loss.
        seconds: elapsed time.
        learning_rate: that of decoder and head in the last step.
    """

    steps: int = 0
    images: int = 0
    loss: float = 0.0
    seconds: float = 0.0
    learning_rate: float = 0.0


@dataclass
class TrainState:
    """Everything that changes during training; with the random states, the content of a checkpoint.

    Args:
        model: pixels -> logits.
        optimizer: optimiser of the model's trainable parameters.
        schedule: learning-rate schedule of the optimiser.
        average: exponential moving average of the model's weights, if the recipe has one.
        epoch: number of completed epochs.
        best_epoch: best epoch so far, 0 before there is one; the last one with select: last.
        best_score: score of the best epoch by the first metric.
        best_loss: validation loss of the best epoch, infinite if it is NaN.
        best_classes: scores and confusion counts of the classes in the best epoch, as in `summary.json`.
        progress: progress within the current epoch.
        random_states: those of all processes, to restore when an epoch is resumed.
        epochs: length of the training, and so of the schedule.
        steps: number of completed training steps.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    average: AveragedModel | None = None
    epoch: int = 0
    best_epoch: int = 0
    best_score: float = math.nan
    best_loss: float = math.inf
    best_classes: dict[str, Any] = field(default_factory=dict)
    progress: EpochProgress = field(default_factory=EpochProgress)
    random_states: list[dict[str, Any]] = field(default_factory=list)
    epochs: int = 0
    steps: int = 0

    @property
    def eval_model(self) -> nn.Module:
        """The model to evaluate: the moving average if there is one."""
        return self.average.module if self.average else self.model

    @property
    def learning_rate(self) -> float:
        """Learning rate of decoder and head, the optimiser's first groups."""
        return float(self.optimizer.param_groups[0]["lr"])

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to resume training with identical results, but for the random states."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "epoch": self.epoch,
            "best_epoch": self.best_epoch,
            "best_score": self.best_score,
            "best_loss": self.best_loss,
            "best_classes": self.best_classes,
            "progress": asdict(self.progress),
            "epochs": self.epochs,
            "steps": self.steps,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state of `state_dict`; a schedule of another length continues after as many steps."""
        self.model.load_state_dict(state["model"])
        self.steps = state["steps"]
        if state["epochs"] != self.epochs and state["epoch"] < self.epochs:
            self._advance_schedule(state["optimizer"])
        else:
            self.optimizer.load_state_dict(state["optimizer"])
            self.schedule.load_state_dict(state["schedule"])
        if self.average:
            self.average.load_state_dict(state["average"])
        self.epoch, self.best_epoch = state["epoch"], state["best_epoch"]
        self.best_score, self.best_loss = state["best_score"], state["best_loss"]
        self.best_classes = state.get("best_classes", {})  # not in states of earlier versions
        self.progress = EpochProgress(**state["progress"])

    def _advance_schedule(self, saved_optimizer: dict[str, Any]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch expects a step of the optimiser before each
            for _ in range(self.steps):
                self.schedule.step()
        scheduled = [{**group} for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict(saved_optimizer)
        for group, settings in zip(self.optimizer.param_groups, scheduled, strict=True):
            group.update({**settings, "params": group["params"]})


def make_train_state(
    model: nn.Module, optimizer: torch.optim.Optimizer, schedule: Schedule, settings: TrainingSettings
) -> TrainState:
    """The state before the first epoch.

    Args:
        model: model on its device; compiled in place if the settings say so.
        optimizer: optimiser of the model's trainable parameters.
        schedule: learning-rate schedule of the optimiser.
        settings: the recipe's `training`.
    """
    average = moving_average(model, settings.ema_decay) if settings.ema_decay else None
    if settings.compile:  # in place keeps the names of the weights; a copy would not be compiled
        for module in (model, *([average.module] if average else [])):
            module.compile()
    return TrainState(model, optimizer, schedule, average, epochs=settings.epochs)

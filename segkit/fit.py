"""The training loop: a generator of events. Between two events everything is at rest and may be saved."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from segkit.errors import TrainingError
from segkit.events import EpochEnded, StepEnded

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from segkit.contracts import Loss, Schedule
    from segkit.data.batches import TrainBatches
    from segkit.evaluate import Scores
    from segkit.recipe.schema import TrainingSettings


@dataclass
class Learner:
    """Everything that changes while a model learns, and so everything a checkpoint holds.

    Args:
        model: pixels -> logits.
        optimizer: over the model's trainable parameters.
        schedule: over the optimiser.
        average: the moving average of the model's weights, where the recipe asks for one.
        epoch: the last finished one.
        best_epoch: the best one so far, 0 before there is one.
        best_score: its score by the metric that chooses.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    average: AveragedModel | None = None
    epoch: int = 0
    best_epoch: int = 0
    best_score: float = math.nan

    @property
    def scored(self) -> nn.Module:
        """The model whose scores count: the average, where there is one."""
        return self.average.module if self.average else self.model


def averaged(model: nn.Module, decay: float | None) -> AveragedModel | None:
    """An exponential moving average of a model's weights and statistics; None where no decay is given."""
    if decay is None:
        return None
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)


def fit(
    learner: Learner,
    batches: TrainBatches,
    loss: Loss,
    score: Callable[[nn.Module], Scores],
    fabric: Fabric,
    settings: TrainingSettings,
    *,
    seed: int,
    names: Sequence[str],
    higher_is_better: bool,
) -> Iterator[StepEnded | EpochEnded]:
    """Train until the epochs are through or the score has stopped getting better.

    Args:
        learner: what learns; goes on after `learner.epoch`.
        batches: of the training images.
        loss: (logits, target) -> scalar.
        score: of a model on the images that are scored after every epoch; its first metric chooses the best.
        fabric: device and precision.
        settings: the recipe's `training`.
        seed: of dropout and the like, together with the epoch.
        names: of the training images, for messages.
        higher_is_better: whether a larger score is the better one.

    Raises:
        TrainingError: if the loss is not finite; names epoch, step and images.
    """
    model, optimizer = fabric.setup(learner.model, learner.optimizer)
    while learner.epoch < settings.epochs:
        epoch, started = learner.epoch + 1, time.perf_counter()
        torch.manual_seed(hash((seed, epoch)) % 2**63)
        model.train()
        total = torch.zeros((), dtype=torch.float64)
        count = 0
        for step, batch in enumerate(batches.epoch(epoch), start=1):
            image, target = fabric.to_device((batch.image, batch.target))
            value: Tensor = loss(model(_in_order(image, settings)), target)
            current = value.item()
            if not math.isfinite(current):
                raise _not_finite(current, epoch, step, [names[i] for i in batch.indices])
            fabric.backward(value)
            if settings.clip_grad_norm:
                fabric.clip_gradients(model, optimizer, max_norm=settings.clip_grad_norm)
            optimizer.step()
            optimizer.zero_grad()
            learner.schedule.step()
            if learner.average:
                learner.average.update_parameters(learner.model)
            total += current * len(batch.indices)
            count += len(batch.indices)
            yield StepEnded(epoch, step, batches.steps, current)
        train_seconds = time.perf_counter() - started
        scores = score(learner.scored)
        learner.epoch = epoch
        best = _note_best(learner, next(iter(scores.metrics.values())), higher_is_better)
        yield EpochEnded(
            epoch=epoch,
            train_loss=float(total) / count,
            val_loss=scores.loss,
            metrics=scores.metrics,
            learning_rate=max(group["lr"] for group in optimizer.param_groups),
            seconds=time.perf_counter() - started,
            train_seconds=train_seconds,
            images_per_second=count / train_seconds,
            best=best,
        )
        patience = settings.early_stopping_epochs
        if patience and epoch - learner.best_epoch >= patience:
            break


def _in_order(image: Tensor, settings: TrainingSettings) -> Tensor:
    """Channels-last convolutions are the faster ones on CPUs and GPUs alike."""
    return image.contiguous(memory_format=torch.channels_last) if settings.channels_last else image


def _note_best(learner: Learner, score: float, higher_is_better: bool) -> bool:
    better = score > learner.best_score if higher_is_better else score < learner.best_score
    if better or (learner.best_epoch == 0 and not math.isnan(score)):
        learner.best_epoch, learner.best_score = learner.epoch, score
        return True
    return False


def _not_finite(loss: float, epoch: int, step: int, images: list[str]) -> TrainingError:
    return TrainingError(
        f"the loss is {loss} in epoch {epoch}, step {step}, on the images {', '.join(images)}",
        hint="a smaller optimizer.lr, training.clip_grad_norm=1, or training.precision=32-true",
    )

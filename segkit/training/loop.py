"""The training loop: a generator of events. Between two events everything is at rest and may be saved."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from segkit.core.errors import TrainingError
from segkit.core.events import EpochEnded, StepEnded
from segkit.training.devices import async_item, memory_format
from segkit.training.distributed.global_batch import whole_batch
from segkit.training.distributed.sharding import BatchShard, gather_batch
from segkit.training.ema import EMA
from segkit.training.rng import random_state, seed_everything, set_random_state
from segkit.training.torch_errors import training_explained

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from segkit.core.types import Loss, Schedule
    from segkit.data.batches import Batch, TrainBatches
    from segkit.recipe.schema import TrainingSettings
    from segkit.training.evaluate import Scores


@dataclass
class EpochProgress:
    """What has been done of an epoch.

    Args:
        steps: of training.
        images: in them.
        loss: the sum over them.
        seconds: that they took.
    """

    steps: int = 0
    images: int = 0
    loss: float = 0.0
    seconds: float = 0.0


@dataclass
class TrainState:
    """Everything that changes while a model learns, and so everything a saved state holds.

    Args:
        model: pixels -> logits.
        optimizer: over the model's trainable parameters.
        schedule: over the optimiser.
        average: the moving average of the model's weights, where the recipe asks for one.
        epoch: the last finished one.
        best_epoch: the best one so far, 0 before there is one.
        best_score: its score by the metric that chooses.
        progress: what has been done of the epoch after the last finished one.
        rng_state: where the random states are, for an epoch that goes on in its middle.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    average: EMA | None = None
    epoch: int = 0
    best_epoch: int = 0
    best_score: float = math.nan
    progress: EpochProgress = field(default_factory=EpochProgress)
    rng_state: dict[str, Any] | None = None

    @property
    def eval_model(self) -> nn.Module:
        """The model whose scores count: the average, where there is one."""
        return self.average.model if self.average else self.model

    @property
    def learning_rate(self) -> float:
        """The decoder's: decoder and head are the optimiser's first groups."""
        return float(self.optimizer.param_groups[0]["lr"])

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on from here, to the last digit."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "epoch": self.epoch,
            "best_epoch": self.best_epoch,
            "best_score": self.best_score,
            "progress": asdict(self.progress),
            "rng_state": random_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        if self.average:
            self.average.load_state_dict(state["average"])
        self.epoch, self.best_epoch = state["epoch"], state["best_epoch"]
        self.best_score, self.rng_state = state["best_score"], state["rng_state"]
        self.progress = EpochProgress(**state["progress"])


def make_train_state(
    model: nn.Module, optimizer: torch.optim.Optimizer, schedule: Schedule, settings: TrainingSettings
) -> TrainState:
    """A model, where it is by now, with what makes it learn.

    Args:
        model: compiled here, in place, if the settings ask for it.
        optimizer: over the model's trainable parameters.
        schedule: over the optimiser.
        settings: the recipe's `training`.
    """
    average = EMA(model, settings.ema_decay) if settings.ema_decay else None
    if settings.compile:  # in place, so that names of weights stay; no copy inherits it
        for each in (model, *([average.model] if average else [])):
            each.compile()
    return TrainState(model, optimizer, schedule, average)


def fit(
    learner: TrainState,
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
        learner: what learns; goes on from where it is.
        batches: of the training images.
        loss: (logits, target) -> scalar.
        score: of a model on the images that are scored after every epoch; its first metric chooses the best.
        fabric: device and precision.
        settings: the recipe's `training`.
        seed: of dropout and the like, together with the epoch.
        names: of the training images, for messages.
        higher_is_better: whether a larger score is the better one.

    Raises:
        TrainingError: if the loss is not finite; names epoch, step and images. Or if memory runs out.
    """
    model, optimizer = fabric.setup(learner.model, learner.optimizer)
    train = partial(_train, learner, model, optimizer, loss, fabric, settings)
    while learner.epoch < settings.epochs and not _out_of_patience(learner, settings):
        epoch, progress = learner.epoch + 1, learner.progress
        started = time.perf_counter() - progress.seconds
        if learner.rng_state and progress.steps:
            set_random_state(learner.rng_state)
        else:
            seed_everything(seed, epoch)
        model.train()
        for step, batch in enumerate(batches.epoch(epoch, after=progress.steps), start=progress.steps + 1):
            share = BatchShard(batches.size(step), fabric.global_rank, fabric.world_size)
            value = train(batch, share)
            if not math.isfinite(value):
                raise _not_finite(value, epoch, step, [names[i] for i in batches.indices(epoch, step)])
            progress.steps = step
            progress.images += share.images
            progress.loss += value * share.images
            progress.seconds = time.perf_counter() - started
            yield StepEnded(epoch, step, batches.steps, value)
        progress.seconds = train_seconds = time.perf_counter() - started
        scores = score(learner.eval_model)
        learner.epoch, learner.progress = epoch, EpochProgress()
        yield EpochEnded(
            epoch=epoch,
            train_loss=progress.loss / progress.images,
            val_loss=scores.loss,
            metrics=scores.metrics,
            learning_rate=learner.learning_rate,
            seconds=time.perf_counter() - started,
            train_seconds=train_seconds,
            images_per_second=progress.images / train_seconds,
            best=_note_best(learner, next(iter(scores.metrics.values())), higher_is_better),
        )


def _train(
    learner: TrainState,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: Loss,
    fabric: Fabric,
    settings: TrainingSettings,
    batch: Batch,
    share: BatchShard,
) -> float:
    """One step on one batch, or none where the loss is not finite; the loss before it.

    The loss is read once the backward pass is queued, so that a GPU computes gradients while this waits, and
    before anything is updated.
    """
    image, target = fabric.to_device((batch.image, batch.target))
    image = image.contiguous(memory_format=memory_format(settings))

    def attempt(images: int) -> None:
        model.zero_grad()
        _add_gradients(model, loss, fabric, image[:images], target[:images], BatchShard(images))
        model.zero_grad()

    # Several processes would wait for each other; and what the CPU's libraries keep is no free memory.
    may_try = share.processes == 1 and image.device.type != "cpu"
    with training_explained(len(image), attempt if may_try else None):
        read_loss = _add_gradients(model, loss, fabric, image, target, share)
        current = read_loss()
        if not math.isfinite(current):
            return current
        if settings.clip_grad_norm:
            # An infinite norm is not an error yet: 16-mixed leaves such a step out and scales down.
            fabric.clip_gradients(
                model, optimizer, max_norm=settings.clip_grad_norm, error_if_nonfinite=False
            )
        optimizer.step()
    optimizer.zero_grad()
    learner.schedule.step()
    if learner.average:
        learner.average.update()
    return current


def _add_gradients(
    model: nn.Module, loss: Loss, fabric: Fabric, image: Tensor, target: Tensor, share: BatchShard
) -> Callable[[], float]:
    """Add the gradients of some images; returns a call that waits for the loss, not for the gradients.

    Several processes compute the loss of the whole batch, each with the gradient of its own images.
    `backward` takes the mean of these, and their sum is wanted.
    """
    with whole_batch(share):
        logits = model(image)
    value = loss(gather_batch(logits, share), gather_batch(target, share))
    read_loss = async_item(value)
    fabric.backward(value * share.processes)
    return read_loss


def _out_of_patience(learner: TrainState, settings: TrainingSettings) -> bool:
    patience = settings.early_stopping_epochs
    return patience is not None and learner.epoch - learner.best_epoch >= patience


def _note_best(learner: TrainState, score: float, higher_is_better: bool) -> bool:
    """Whether the epoch is the best so far; while no epoch has a defined score, the latest one is."""
    best = learner.best_score
    better = math.isnan(best) or (score > best if higher_is_better else score < best)
    if better:
        learner.best_epoch, learner.best_score = learner.epoch, score
    return better


def _not_finite(loss: float, epoch: int, step: int, images: list[str]) -> TrainingError:
    return TrainingError(
        f"the loss is {loss} in epoch {epoch}, step {step}, on the images {', '.join(images)}",
        hint="a smaller optimizer.lr, training.clip_grad_norm=1, or training.precision=32-true",
    )

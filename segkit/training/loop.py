"""Training loop: a generator of events. State is consistent at every yield and can be checkpointed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from torch import Tensor, nn

from segkit.core.errors import TrainingError
from segkit.core.events import EpochEnded, StepEnded
from segkit.training.devices import async_item, memory_format
from segkit.training.distributed.sharding import copy_buffers, sum_over_processes
from segkit.training.rng import seed_everything, set_random_state
from segkit.training.torch_errors import explain_training_errors
from segkit.training.train_state import EpochProgress, TrainState

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from segkit.core.types import Loss
    from segkit.data.batches import Batch, TrainBatches
    from segkit.recipe.training_settings import TrainingSettings
    from segkit.training.evaluate import Scores


def fit(
    state: TrainState,
    batches: TrainBatches,
    loss: Loss,
    evaluate: Callable[[nn.Module], Scores],
    fabric: Fabric,
    settings: TrainingSettings,
    *,
    seed: int,
    names: Sequence[str],
    higher_is_better: bool,
) -> Iterator[StepEnded | EpochEnded]:
    """Train until the last epoch or until early stopping.

    The caller saves checkpoints between events.

    Args:
        state: state to start or resume from; updated in place.
        batches: training batches.
        loss: (logits, target) -> scalar.
        evaluate: function that scores a model on the validation images; its first metric selects the best
            epoch.
        fabric: device and precision.
        settings: the recipe's `training`.
        seed: seed of dropout and the like, combined with the epoch.
        names: names of the training images, for messages.
        higher_is_better: whether a larger score is better.

    Raises:
        TrainingError: if the loss is not finite (names epoch, step and images) or memory runs out.
    """
    model, optimizer = fabric.setup(state.model, state.optimizer)
    compute_gradients = partial(_compute_gradients, model, loss, fabric, settings)
    while state.epoch < settings.epochs and not _stops_early(state, settings):
        epoch, progress = state.epoch + 1, state.progress
        started = time.perf_counter() - progress.seconds
        _set_rng(state, seed, epoch, fabric)
        model.train()
        for step, batch in enumerate(batches.epoch(epoch, after=progress.steps), start=progress.steps + 1):
            images = batches.size(step)
            with explain_training_errors(len(batch.image), _retry(model, compute_gradients, batch, fabric)):
                value = compute_gradients(batch.image, batch.target, len(batch.image) / images)
                if not math.isfinite(value):
                    shown = dict.fromkeys(batches.indices(epoch, step))  # an image may have several windows
                    raise _not_finite(value, epoch, step, [names[index] for index in shown])
                if limit := settings.clip_grad_norm:
                    # An infinite norm is not an error: 16-mixed skips such a step and lowers its scale.
                    fabric.clip_gradients(model, optimizer, max_norm=limit, error_if_nonfinite=False)
                optimizer.step()
            optimizer.zero_grad()
            progress.learning_rate = state.learning_rate
            state.schedule.step()
            state.steps = state.epoch * batches.steps + step
            if state.average:
                state.average.update_parameters(state.model)
            progress.steps = step
            progress.images += images
            progress.loss += value * images
            progress.seconds = time.perf_counter() - started
            yield StepEnded(epoch, step, batches.steps, value)
        progress.seconds = time.perf_counter() - started
        copy_buffers(state.eval_model, fabric)  # the processes share the images to score
        scores = evaluate(state.eval_model)
        state.epoch, state.progress = epoch, EpochProgress()
        best = _update_best(state, scores, settings, higher_is_better)
        yield _epoch_ended(state, progress, scores, time.perf_counter() - started, best=best)


def _set_rng(state: TrainState, seed: int, epoch: int, fabric: Fabric) -> None:
    steps = state.progress.steps
    if steps and len(state.random_states) == fabric.world_size:  # resumed within an epoch
        set_random_state(state.random_states[fabric.global_rank])
    else:
        seed_everything(seed, epoch, fabric.global_rank, steps)


def _compute_gradients(
    model: nn.Module,
    loss: Loss,
    fabric: Fabric,
    settings: TrainingSettings,
    image: Tensor,
    target: Tensor,
    share: float,
) -> float:
    """Forward pass, loss and backward pass; returns the mean loss of the processes, weighted by `share`.

    `share` is the fraction of the batch that this process has.
    """
    image, target = fabric.to_device((image, target))
    image = image.contiguous(memory_format=memory_format(settings))
    value = loss(model(image), target) * share
    read_loss = async_item(sum_over_processes(value.detach().clone(), fabric))
    fabric.backward(value * fabric.world_size)  # DDP averages the gradients: their sum is needed
    return read_loss()  # the GPU computes gradients meanwhile


def _retry(
    model: nn.Module, compute_gradients: Callable[..., float], batch: Batch, fabric: Fabric
) -> Callable[[int], None] | None:
    # Other processes would wait; on CPUs, libraries keep their memory, so that a retry shows nothing.
    if fabric.world_size > 1 or fabric.device.type == "cpu":
        return None

    def retry(images: int) -> None:
        model.zero_grad()
        compute_gradients(batch.image[:images], batch.target[:images], 1.0)
        model.zero_grad()

    return retry


def _stops_early(state: TrainState, settings: TrainingSettings) -> bool:
    patience = settings.early_stopping_epochs
    return patience is not None and state.epoch - state.best_epoch >= patience


def _update_best(
    state: TrainState, scores: Scores, settings: TrainingSettings, higher_is_better: bool
) -> bool:
    """Whether this epoch is the best; while the first metric is NaN, the one with the lowest loss is.

    With select: last, none is called the best, and each one replaces the former.
    """
    score, best = next(iter(scores.metrics.values())), state.best_score
    loss = math.inf if math.isnan(scores.loss) else scores.loss
    if math.isnan(best) and math.isnan(score):
        better = not state.best_epoch or loss < state.best_loss
    else:
        better = math.isnan(best) or (score > best if higher_is_better else score < best)
    last = settings.select == "last"
    if better or last:
        state.best_epoch, state.best_score, state.best_loss = state.epoch, score, loss
        state.best_classes = scores.classes.as_json() if scores.classes else {}
    return better and not last


def _epoch_ended(
    state: TrainState, progress: EpochProgress, scores: Scores, seconds: float, *, best: bool
) -> EpochEnded:
    return EpochEnded(
        epoch=state.epoch,
        train_loss=progress.loss / progress.images,
        val_loss=scores.loss,
        metrics=scores.metrics,
        learning_rate=progress.learning_rate,
        seconds=seconds,
        train_seconds=progress.seconds,
        images_per_second=progress.images / progress.seconds,
        best=best,
    )


def _not_finite(loss: float, epoch: int, step: int, images: list[str]) -> TrainingError:
    return TrainingError(
        f"the loss is {loss} in epoch {epoch}, step {step}, on the images {', '.join(images)}",
        hint="a smaller optimizer.lr, training.clip_grad_norm=1, or training.precision=32-true",
    )

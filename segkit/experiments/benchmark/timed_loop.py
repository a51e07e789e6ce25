"""Training loop of `fit` for timing, on the recipe's batches or on one repeated batch."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from torch import nn

from segkit.core.events import StepEnded
from segkit.experiments.benchmark.costs.timing import synchronize, zero_lr_state
from segkit.training.evaluate import Scores
from segkit.training.loop import fit

if TYPE_CHECKING:
    from torch import Tensor

    from segkit.data.batches import Batch, TrainBatches
    from segkit.experiments.assembly import Assembly

TRIAL_STEPS = 12  # of an epoch that determines the number of workers


class Feed:
    """Training batches of a recipe; one batch is repeated on the device while `repeat` is set.

    With `workers: auto`, a run's first epoch determines the number of workers. Here two short trial epochs
    replace it, the first of them for warm-up, because an epoch must be complete for that.
    """

    def __init__(self, assembly: Assembly) -> None:
        self.repeat = False
        self._assembly = assembly
        self._repeated: Batch | None = None
        self._trials = []
        if assembly.recipe.data.workers == "auto":
            trial = _with_short_epochs(assembly)
            self._trials = [trial.train_batches(), trial.train_batches()]
        self._batches = None if self._trials else assembly.train_batches()

    @property
    def batches(self) -> TrainBatches:
        """The measured batches, with the final number of workers."""
        if self._batches is None:
            workers, self._trials = self._trials[-1].workers, []
            self._assembly = _with(self._assembly, workers=workers)
            self._batches = self._assembly.train_batches()
        return self._batches

    @property
    def steps(self) -> int:
        """Steps per epoch."""
        return self._assembly.recipe.data.steps_per_epoch(len(self._assembly.splits["train"]))

    @property
    def trial_steps(self) -> int:
        """Steps until the number of workers is known."""
        return sum(batches.steps for batches in self._trials)

    @property
    def repeated_images(self) -> int:
        """Number of images in the repeated batch; 0 before it exists."""
        return len(self._repeated.indices) if self._repeated else 0

    def epoch(self, epoch: int, *, after: int = 0) -> Iterator[Batch]:
        """As `TrainBatches.epoch`, with repeated batches in between."""
        trial = self._trials[epoch - 1 : epoch]
        self._current = trial[0] if trial else self.batches
        iterator = self._current.epoch(epoch, after=after)
        while (batch := self.next_batch(iterator)) is not None:
            while self.repeat:
                self._repeated = self._repeated or self._on_device(batch)
                yield self._repeated
            yield batch

    def size(self, step: int) -> int:
        """Images in a step of the current epoch, as `TrainBatches.size`."""
        return self._current.size((step - 1) % self._current.steps + 1)

    def indices(self, epoch: int, step: int) -> list[int]:
        """Indices of the images in a step, as `TrainBatches.indices`."""
        return self._current.indices(epoch, step)

    def next_batch(self, iterator: Iterator[Batch]) -> Batch | None:
        """Wait for the next batch; None at the end of the epoch."""
        return next(iterator, None)

    def new_batches(self) -> TrainBatches:
        """A second, unstarted instance of the measured batches."""
        return self._assembly.train_batches()

    def _on_device(self, batch: Batch) -> Batch:
        image, target = self._assembly.fabric.to_device((batch.image, batch.target))
        return dataclasses.replace(batch, image=image, target=target)


def _with_short_epochs(assembly: Assembly) -> Assembly:
    data = assembly.recipe.data
    samples = data.samples_per_epoch(len(assembly.splits["train"]))
    epoch = min(samples, TRIAL_STEPS * data.batch_size)
    return _with(assembly, sample=data.sample.model_copy(update={"epoch": epoch}))


def _with(assembly: Assembly, **settings: Any) -> Assembly:
    recipe = assembly.recipe
    data = recipe.data.model_copy(update=settings)
    return dataclasses.replace(assembly, recipe=recipe.model_copy(update={"data": data}))


class Loop:
    """Endless training as in `segkit run`, with learning rate zero and without scoring."""

    def __init__(self, assembly: Assembly) -> None:
        recipe = assembly.recipe
        self.recipe = recipe
        self.fabric = assembly.fabric
        self.state = zero_lr_state(recipe, assembly.model)
        self.feed = Feed(assembly)
        self.loss = assembly.loss
        names = assembly.splits["train"].names
        self.images_per_step = recipe.data.samples_per_epoch(len(names)) / self.feed.steps
        endless = {"epochs": sys.maxsize, "early_stopping_epochs": None}
        self._events = fit(
            self.state, cast("TrainBatches", self.feed), self._loss, _no_scores, self.fabric,
            recipe.training.model_copy(update=endless),
            seed=recipe.seed, names=names, higher_is_better=True,
        )  # fmt: skip

    @property
    def prefetched(self) -> int:
        """Number of batches that may be ready when a block starts, and are not timed."""
        if self.feed.batches.batches_at_once > 1:
            return 1  # they are made between steps, the same number in every block
        return 2 * max(1, self.feed.batches.workers) + 1

    def step(self, steps: int) -> None:
        """Do a number of training steps."""
        while steps:
            steps -= isinstance(next(self._events), StepEnded)

    def seconds(self, steps: int, *, repeat: bool = False) -> float:
        """Mean seconds per step, after untimed steps that use up prefetched batches.

        Args:
            steps: number of timed steps.
            repeat: whether to repeat one batch on the device, without data loading.
        """
        self.feed.repeat = repeat
        self.step(self.prefetched)
        synchronize(self.fabric.device)
        started = time.perf_counter()
        self.step(steps)
        synchronize(self.fabric.device)
        return (time.perf_counter() - started) / steps

    def images_per_second(self, steps: int, *, repeat: bool = False) -> float:
        """Images per second; arguments as in `seconds`."""
        seconds = self.seconds(steps, repeat=repeat)
        return (self.feed.repeated_images if repeat else self.images_per_step) / seconds

    def _loss(self, logits: Tensor, target: Tensor) -> Tensor:
        return self.loss(logits, target)  # `self.loss` may be replaced by a timed call


def _no_scores(model: nn.Module) -> Scores:
    return Scores(loss=0.0, metrics={"none": 0.0}, per_image={})

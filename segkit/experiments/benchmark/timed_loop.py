"""The training loop of `fit`, which steps as far as it is asked to, on its own batches or on one."""

from __future__ import annotations

import dataclasses
import math
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from torch import nn

from segkit.core.events import StepEnded
from segkit.data.preprocess import Prepared
from segkit.experiments.benchmark.costs.timing import learner_at_rest, wait
from segkit.training.evaluate import Scores
from segkit.training.loop import fit

if TYPE_CHECKING:
    from torch import Tensor

    from segkit.data.batches import Batch, TrainBatches
    from segkit.experiments.assembly import Assembly

FEW = 12  # steps of an epoch that shows how many workers it takes


class Feed:
    """The training batches of a recipe, by epochs; but the same one again and again while `alone` is set.

    Where the number of workers is `auto`, a run's first epoch shows how many it takes. Here two epochs of a
    few images stand for it, of which the first warms up: an epoch that is interrupted would not tell.

    Args:
        assembly: of the recipe; the one batch lies on its fabric's device.
    """

    def __init__(self, assembly: Assembly) -> None:
        self.alone = False
        self._assembly = assembly
        self._one: Batch | None = None
        self._first = []
        if assembly.recipe.data.workers == "auto":
            few = _with_few_images(assembly)
            self._first = [few.train_batches(), few.train_batches()]
        self._batches = None if self._first else assembly.train_batches()

    @property
    def batches(self) -> TrainBatches:
        """Those that are measured; with as many workers as it takes."""
        if self._batches is None:
            workers, self._first = self._first[-1].workers, []
            self._assembly = _with_workers(self._assembly, workers)
            self._batches = self._assembly.train_batches()
        return self._batches

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return math.ceil(len(self._assembly.splits["train"].names) / self._assembly.recipe.data.batch_size)

    @property
    def first_steps(self) -> int:
        """Until it is known how many workers it takes."""
        return sum(batches.steps for batches in self._first)

    @property
    def images_of_one(self) -> int:
        """In the batch that comes again and again; 0 before it has come."""
        return len(self._one.indices) if self._one else 0

    def epoch(self, epoch: int, *, after: int = 0) -> Iterator[Batch]:
        """As `TrainBatches.epoch`, and longer by what came between."""
        first = self._first[epoch - 1 : epoch]
        self._at_hand = first[0] if first else self.batches
        arriving = self._at_hand.epoch(epoch, after=after)
        while (batch := self.take(arriving)) is not None:
            while self.alone:
                self._one = self._one or self._on_device(batch)
                yield self._one
            yield batch

    def size(self, step: int) -> int:
        """Images of a step of the epoch at hand, as `TrainBatches.size`."""
        return self._at_hand.size((step - 1) % self._at_hand.steps + 1)

    def indices(self, epoch: int, step: int) -> list[int]:
        """Which images a step has, as `TrainBatches.indices`."""
        return self._at_hand.indices(epoch, step)

    def take(self, arriving: Iterator[Batch]) -> Batch | None:
        """The next batch, if there is one; waits for it."""
        return next(arriving, None)

    def another(self) -> TrainBatches:
        """The same batches as those that are measured, not begun."""
        return self._assembly.train_batches()

    def _on_device(self, batch: Batch) -> Batch:
        image, target = self._assembly.fabric.to_device((batch.image, batch.target))
        return dataclasses.replace(batch, image=image, target=target)


def _with_few_images(assembly: Assembly) -> Assembly:
    train = assembly.splits["train"]
    kept = slice(FEW * assembly.recipe.data.batch_size)
    few = Prepared(train.names[kept], train.images[kept], train.masks[kept])
    return dataclasses.replace(assembly, splits={**assembly.splits, "train": few})


def _with_workers(assembly: Assembly, workers: int) -> Assembly:
    recipe = assembly.recipe
    data = recipe.data.model_copy(update={"workers": workers})
    return dataclasses.replace(assembly, recipe=recipe.model_copy(update={"data": data}))


class Loop:
    """Training as `segkit run` does it, but for a learning rate of zero, without scores and without end.

    Args:
        assembly: of the recipe; its model is on the device.
    """

    def __init__(self, assembly: Assembly) -> None:
        recipe = assembly.recipe
        self.recipe = recipe
        self.fabric = assembly.fabric
        self.learner = learner_at_rest(recipe, assembly.model)
        self.feed = Feed(assembly)
        self.loss = assembly.loss
        names = assembly.splits["train"].names
        self.images_per_step = len(names) / self.feed.steps
        endless = {"epochs": sys.maxsize, "early_stopping_epochs": None}
        self._events = fit(
            self.learner, cast("TrainBatches", self.feed), self._loss, _no_scores, self.fabric,
            recipe.training.model_copy(update=endless),
            seed=recipe.seed, names=names, higher_is_better=True,
        )  # fmt: skip

    @property
    def ahead(self) -> int:
        """Batches that may lie ready when a block begins, and so say nothing of how fast they come."""
        return 2 * max(1, self.feed.batches.workers) + 1

    def step(self, steps: int) -> None:
        """Take so many training steps."""
        while steps:
            steps -= isinstance(next(self._events), StepEnded)

    def seconds(self, steps: int, *, alone: bool = False) -> float:
        """Of one of so many steps, timed together after some that count for nothing.

        Args:
            steps: that count.
            alone: on a batch that lies on the device, so that nobody waits for data.
        """
        self.feed.alone = alone
        self.step(self.ahead)
        wait(self.fabric.device)
        started = time.perf_counter()
        self.step(steps)
        wait(self.fabric.device)
        return (time.perf_counter() - started) / steps

    def images_per_second(self, steps: int, *, alone: bool = False) -> float:
        """As `seconds`, in images: batches of an epoch may differ by one."""
        seconds = self.seconds(steps, alone=alone)
        return self.feed.images_of_one / seconds if alone else self.images_per_step / seconds

    def _loss(self, logits: Tensor, target: Tensor) -> Tensor:
        return self.loss(logits, target)  # looked up every time, as it may be replaced by a timed one


def _no_scores(model: nn.Module) -> Scores:
    return Scores(loss=0.0, metrics={"none": 0.0}, per_image={})

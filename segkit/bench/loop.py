"""The training loop of `fit`, which steps as far as it is asked to, on its own batches or on one."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from torch import nn

from segkit.costs.timing import learner_at_rest, wait
from segkit.evaluate import Scores
from segkit.events import StepEnded
from segkit.fit import fit

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import Tensor

    from segkit.assemble import Assembly
    from segkit.data.batches import Batch, TrainBatches

AHEAD = 6  # batches that may lie ready before a block begins, and so say nothing of how fast they come


class Feed:
    """The batches of a recipe, epoch by epoch; but the same one again and again while `alone` is set.

    Args:
        batches: of the training images.
        fabric: for the device, on which the one batch lies.
    """

    def __init__(self, batches: TrainBatches, fabric: Fabric) -> None:
        self.steps = batches.steps
        self.alone = False
        self._batches = batches
        self._fabric = fabric
        self._one: Batch | None = None

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """As `TrainBatches.epoch`, and longer by what came between."""
        arriving = self._batches.epoch(epoch)
        while (batch := self.take(arriving)) is not None:
            while self.alone:
                self._one = self._one or self._on_device(batch)
                yield self._one
            yield batch

    @property
    def images_of_one(self) -> int:
        """In the batch that comes again and again; 0 before it has come."""
        return len(self._one.indices) if self._one else 0

    def take(self, arriving: Iterator[Batch]) -> Batch | None:
        """The next batch, if there is one; waits for it."""
        return next(arriving, None)

    def _on_device(self, batch: Batch) -> Batch:
        image, target = self._fabric.to_device((batch.image, batch.target))
        return dataclasses.replace(batch, image=image, target=target)


class Loop:
    """Training as `segkit run` does it, but for a learning rate of zero, without scores and without end.

    Args:
        assembly: of the recipe; its model is on the device.
        fabric: device and precision.
    """

    def __init__(self, assembly: Assembly, fabric: Fabric) -> None:
        recipe = assembly.recipe
        self.recipe = recipe
        self.fabric = fabric
        self.learner = learner_at_rest(recipe, assembly.model)
        self.feed = Feed(assembly.train_batches, fabric)
        self.loss = assembly.loss
        names = assembly.splits["train"].names
        self.images_per_step = len(names) / self.feed.steps
        endless = {"epochs": sys.maxsize, "early_stopping_epochs": None}
        self._events = fit(
            self.learner, cast("TrainBatches", self.feed), self._loss, _no_scores, fabric,
            recipe.training.model_copy(update=endless),
            seed=recipe.seed, names=names, higher_is_better=True,
        )  # fmt: skip

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
        self.step(min(AHEAD, steps))
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

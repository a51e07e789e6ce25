"""`segkit bench`: images per second of a recipe's data, of its model, and of both together."""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass
from itertools import chain, count, islice
from typing import TYPE_CHECKING, Any

import torch

from segkit.experiments.assembly import assemble
from segkit.experiments.benchmark.costs.machine import this_machine
from segkit.experiments.benchmark.costs.machine_load import Load
from segkit.experiments.benchmark.costs.timing import wait
from segkit.experiments.benchmark.step_breakdown import seconds_by_part
from segkit.experiments.benchmark.timed_loop import Loop
from segkit.experiments.summary import peak_memory
from segkit.training.devices import device_name, move_to_device, precision_of

if TYPE_CHECKING:
    from segkit.core.types import Progress
    from segkit.recipe import Recipe

ROUNDS = 5  # a block of the loop and a block of the model in each
WARM_UP = 7  # blocks of one step, in which memory is allocated and algorithms are chosen
SECONDS = 12.0  # for all rounds, where nobody asks for a number of steps
FEWEST, MOST = 2, 400  # steps in a block then


@dataclass(frozen=True)
class Round:
    """Two blocks of training steps, one after the other.

    Args:
        loop: images per second over the recipe's own batches.
        model: images per second on one batch that lies on the device.
    """

    loop: float
    model: float

    @property
    def ratio(self) -> float:
        """How much of what the model can do is left in the loop."""
        return self.loop / self.model


def bench(
    recipe: Recipe, *, steps: int | None = None, on_progress: Progress = lambda label, done, total: None
) -> dict[str, Any]:
    """Measure how fast a recipe trains on this machine; nothing is kept.

    Alone, the model takes steps of `fit` on a batch that lies on the device, which is the limit; in the loop
    it takes them over the recipe's own batches, as in a run. Both are one training with the learning rate
    zero, measured in turns, and their ratio is that of neighbours: what else the machine does meets both.

    Args:
        recipe: as `load_recipe` gives it.
        steps: training steps that are timed, of each kind; by default as many as take some seconds.
        on_progress: callback of (label, done, total).

    Returns:
        Plain data: rates in images per second, `parts` in seconds per step, start-up in seconds.

    Raises:
        SegkitError: if data, weights or shapes are at fault, or a training step fails.
    """
    reading = _Reading(on_progress)
    started = time.perf_counter()
    assembly = assemble(recipe, reading)
    fabric = assembly.fabric
    move_to_device(assembly.model, fabric, recipe.training)
    assembled = time.perf_counter()
    loop = Loop(assembly)
    loop.step(1)
    wait(fabric.device)
    first_step = time.perf_counter() - assembled
    loop.step(loop.feed.first_steps)
    block = _steps_of_a_block(loop, steps)
    load = Load()
    rounds = []
    for number in range(ROUNDS):
        on_progress("rounds", number, ROUNDS)
        rounds.append(_round(loop, block, model_first=number % 2 == 1))
    on_progress("rounds", ROUNDS, ROUNDS)
    threads = torch.get_num_threads() if fabric.device.type == "cpu" else 1
    warnings = load.warnings(threads)
    if recipe.training.devices != 1 or recipe.training.num_nodes != 1:
        warnings.append("One process was measured, whatever training.devices and num_nodes say.")
    if recipe.training.compile:
        warnings.append("The parts are those of the same model, not compiled: a compiled one is one piece.")
    return {
        "recipe": recipe.name,
        "data_images_per_second": _data(loop, block * ROUNDS),
        **_rates(rounds),
        "steps": block * ROUNDS,
        "parts": seconds_by_part(loop, block),
        "startup_seconds": {
            "images": reading.seconds,
            "model": assembled - started - reading.seconds,
            "first_step": first_step,
        },
        "peak_memory_bytes": peak_memory(),
        "batch_size": recipe.data.batch_size,
        "images": len(assembly.splits["train"].names),
        "device": device_name(fabric.device),
        "workers": loop.feed.batches.workers,
        "batches_together": loop.feed.batches.batches_at_once,
        "threads": torch.get_num_threads(),
        "precision": precision_of(fabric),
        "machine": this_machine(),
        "warnings": warnings,
    }


class _Reading:
    """Hears of images that are read, and for how long."""

    def __init__(self, on_progress: Progress) -> None:
        self._progress = on_progress
        self._times: list[float] = []

    def __call__(self, label: str, done: int, total: int) -> None:
        self._times = [*self._times[:1], time.perf_counter()]
        self._progress(label, done, total)

    @property
    def seconds(self) -> float:
        """From the first image to the last."""
        return self._times[-1] - self._times[0] if self._times else 0.0


def _steps_of_a_block(loop: Loop, steps: int | None) -> int:
    """A multiple of the batches that are made together, so that all blocks make as many as they take."""
    if steps is None:
        # The median, as one step that is held up must not make all blocks short.
        usual = statistics.median(loop.seconds(1, alone=True) for _ in range(WARM_UP))
        steps = max(ROUNDS * FEWEST, min(ROUNDS * MOST, round(SECONDS / 2 / usual)))
    together = loop.feed.batches.batches_at_once
    return together * math.ceil(steps / ROUNDS / together)


def _round(loop: Loop, steps: int, *, model_first: bool) -> Round:
    """Who comes first takes turns, as a machine may become slower while it is at work."""
    rates = {alone: loop.images_per_second(steps, alone=alone) for alone in (model_first, not model_first)}
    return Round(loop=rates[False], model=rates[True])


def _data(loop: Loop, steps: int) -> float:
    """Images per second of batches that are made, brought to the device, and left alone."""
    batches, fabric = loop.feed.another(), loop.fabric
    arriving = chain.from_iterable(batches.epoch(epoch) for epoch in count(1))

    def take(steps: int) -> int:
        images = 0
        for batch in islice(arriving, steps):
            fabric.to_device((batch.image, batch.target))
            images += len(batch.indices)
        wait(fabric.device)
        return images

    take(loop.ahead)
    started = time.perf_counter()
    return take(steps) / (time.perf_counter() - started)


def _rates(rounds: list[Round]) -> dict[str, Any]:
    ratios = [each.ratio for each in rounds]
    return {
        "model_images_per_second": statistics.median(each.model for each in rounds),
        "loop_images_per_second": statistics.median(each.loop for each in rounds),
        "loop_over_model": statistics.median(ratios),
        "loop_over_model_range": [min(ratios), max(ratios)],
        "rounds": [
            {
                "model_images_per_second": each.model,
                "loop_images_per_second": each.loop,
                "loop_over_model": each.ratio,
            }
            for each in rounds
        ],
    }

"""Training throughput of a recipe: data alone, model alone, and both together."""

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
from segkit.experiments.benchmark.costs.timing import synchronize
from segkit.experiments.benchmark.step_breakdown import seconds_by_part
from segkit.experiments.benchmark.timed_loop import Loop
from segkit.experiments.summary import peak_memory
from segkit.training.devices import device_name, move_to_device, precision_of

if TYPE_CHECKING:
    from segkit.core.types import Progress
    from segkit.recipe import Recipe

ROUNDS = 5  # at most; each with a block of the loop and a block of the model
WARM_UP = 7  # blocks of one step, in which memory is allocated and algorithms are chosen
SECONDS = 12.0  # duration of all rounds if the number of steps is not given
MIN_STEPS, MAX_STEPS = 2, 400  # per block in that case
ESTIMATE_STEPS = 4


@dataclass(frozen=True)
class Round:
    """Results of two blocks of training steps.

    Args:
        loop: images per second on the recipe's batches.
        model: images per second on one batch on the device.
    """

    loop: float
    model: float

    @property
    def ratio(self) -> float:
        """Throughput of the loop as a fraction of the model's."""
        return self.loop / self.model


def bench(
    recipe: Recipe, *, steps: int | None = None, on_progress: Progress = lambda label, done, total: None
) -> dict[str, Any]:
    """Measure how fast a recipe trains on this machine; nothing is written.

    "Model" is training on one batch on the device, the upper limit; "loop" is training on the recipe's
    batches, as in a run. Their blocks alternate, so that other load on the machine affects both.

    Args:
        recipe: result of `load_recipe`.
        steps: number of timed steps of each kind; by default as many as take some seconds.
        on_progress: callback of (label, done, total).

    Returns:
        Plain data: rates in images per second, `parts` in seconds per step, start-up times in seconds.

    Raises:
        SegkitError: if data, weights or shapes are invalid, or a training step fails.
    """
    read_timer = _ReadTimer(on_progress)
    started = time.perf_counter()
    assembly = assemble(recipe, read_timer)
    fabric = assembly.fabric
    move_to_device(assembly.model, fabric, recipe.training)
    assembled = time.perf_counter()
    loop = Loop(assembly)
    loop.step(1)
    synchronize(fabric.device)
    first_step = time.perf_counter() - assembled
    loop.step(loop.feed.trial_steps)
    block = _steps_per_block(loop, steps)
    load = Load()
    rounds = []
    total = _rounds(block, steps)
    for number in range(total):
        on_progress("rounds", number, total)
        # The order alternates, as a busy machine may become slower.
        rounds.append(_round(loop, block, model_first=number % 2 == 1))
    on_progress("rounds", total, total)
    threads = torch.get_num_threads() if fabric.device.type == "cpu" else 1
    warnings = load.warnings(threads)
    if recipe.training.devices != 1 or recipe.training.num_nodes != 1:
        warnings.append("Only one process was measured: training.devices and training.num_nodes are ignored.")
    if recipe.training.compile:
        warnings.append("The parts of a step were measured without compiling the model.")
    return {
        "recipe": recipe.name,
        "data_images_per_second": _data_rate(loop, block * total),
        **_rates(rounds),
        "steps": block * total,
        "parts": seconds_by_part(loop, block),
        "startup_seconds": {
            "images": read_timer.seconds,
            "model": assembled - started - read_timer.seconds,
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


def training_speed(recipe: Recipe, on_progress: Progress) -> float:
    """Images per second of a few training steps on one batch: an estimate within seconds.

    Raises:
        SegkitError: as `bench`.
    """
    assembly = assemble(recipe, on_progress)
    move_to_device(assembly.model, assembly.fabric, recipe.training)
    loop = Loop(assembly)
    loop.step(1 + loop.feed.trial_steps)
    return loop.images_per_second(ESTIMATE_STEPS, repeat=True)


class _ReadTimer:
    """Progress callback that measures the time from the first image to the last."""

    def __init__(self, on_progress: Progress) -> None:
        self._on_progress = on_progress
        self._times: list[float] = []

    def __call__(self, label: str, done: int, total: int) -> None:
        self._times = [*self._times[:1], time.perf_counter()]
        self._on_progress(label, done, total)

    @property
    def seconds(self) -> float:
        return self._times[-1] - self._times[0] if self._times else 0.0


def _steps_per_block(loop: Loop, steps: int | None) -> int:
    """A multiple of the batches made together, so that each block makes as many as it takes."""
    if steps is None:
        # The median: one delayed step must not shorten all blocks.
        typical = statistics.median(loop.seconds(1, repeat=True) for _ in range(WARM_UP))
        steps = max(ROUNDS * MIN_STEPS, min(ROUNDS * MAX_STEPS, round(SECONDS / 2 / typical)))
    together = loop.feed.batches.batches_at_once
    return together * math.ceil(steps / ROUNDS / together)


def _rounds(block: int, steps: int | None) -> int:
    """`ROUNDS`, or as few as have the number of steps, where many batches are made together."""
    return ROUNDS if steps is None else min(ROUNDS, math.ceil(steps / block))


def _round(loop: Loop, steps: int, *, model_first: bool) -> Round:
    rates = {kind: loop.images_per_second(steps, repeat=kind) for kind in (model_first, not model_first)}
    return Round(loop=rates[False], model=rates[True])


def _data_rate(loop: Loop, steps: int) -> float:
    """Images per second of loading and moving to the device, without training."""
    loader, fabric = loop.feed.new_batches(), loop.fabric
    batches = chain.from_iterable(loader.epoch(epoch) for epoch in count(1))

    def load(steps: int) -> int:
        images = 0
        for batch in islice(batches, steps):
            fabric.to_device((batch.image, batch.target))
            images += len(batch.indices)
        synchronize(fabric.device)
        return images

    load(loop.prefetched)
    started = time.perf_counter()
    return load(steps) / (time.perf_counter() - started)


def _rates(rounds: list[Round]) -> dict[str, Any]:
    by_round = [
        {
            "model_images_per_second": result.model,
            "loop_images_per_second": result.loop,
            "loop_over_model": result.ratio,
        }
        for result in rounds
    ]
    medians = {key: statistics.median(values[key] for values in by_round) for key in by_round[0]}
    ratios = [result.ratio for result in rounds]
    return {**medians, "loop_over_model_range": [min(ratios), max(ratios)], "rounds": by_round}

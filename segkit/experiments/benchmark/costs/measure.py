"""Measurement of model costs, in this process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from segkit.data.batches import Batch, EvalBatches, TrainBatches
from segkit.experiments.assembly import build_losses
from segkit.experiments.benchmark.costs.machine import this_machine
from segkit.experiments.benchmark.costs.machine_load import Load
from segkit.experiments.benchmark.costs.timing import synchronize, zero_lr_state
from segkit.experiments.restore_run import load_best, read_run
from segkit.experiments.summary import peak_memory
from segkit.models.build import build_model
from segkit.models.dry_run import dry_run
from segkit.runs.schema import MeasuredCosts
from segkit.training.devices import device_name, make_fabric, move_to_device, precision_of
from segkit.training.loop import fit

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from segkit.core.types import Pixels
    from segkit.models.segmenter import Segmenter
    from segkit.recipe import Recipe
    from segkit.runs.run_dir import RunDir
    from segkit.training.evaluate import Scores


@dataclass(frozen=True)
class Effort:
    """How often a call is timed.

    Args:
        warm_up: number of untimed calls before.
        times: least number of timed calls.
        seconds: least duration of all timed calls.
    """

    warm_up: int
    times: int
    seconds: float


# About seven seconds per model; large models are timed fewer times, but their times scatter less. The first
# calls allocate memory, choose algorithms and may compile.
LATENCY = Effort(warm_up=3, times=5, seconds=1.5)
PREDICTION = Effort(warm_up=1, times=3, seconds=2.0)
TRAINING = Effort(warm_up=1, times=3, seconds=3.0)


def measure(run: RunDir, plugins: Sequence[Path] = (), *, effort: float = 1.0) -> MeasuredCosts:
    """Measure the model of a run on random images of the recipe's size.

    The model has the best weights and the recipe's device, precision and memory format; predictions are not
    compiled. Times are medians over synchronised calls. A training step is that of `fit` (forward, loss,
    backward, optimiser) without loading and augmentation. Peak memory is that of this process since its
    start, or of the GPU if the model is on one.

    Args:
        run: complete run directory.
        plugins: files or folders with the parts that the run used.
        effort: factor on the usual durations.

    Raises:
        SegkitError: if a plugin of the run is not loaded, the recipe's device is not available, memory is too
            small, or recipe or checkpoint are invalid.
    """
    recipe, changed = read_run(run, plugins=plugins)
    fabric = make_fabric(recipe.training)
    spec = dry_run(recipe.model, recipe.data)
    with torch.device("meta"):
        meta_model = build_model(recipe, spec, pretrained=False)
    macs = multiply_adds(meta_model, (1, recipe.data.in_channels, *recipe.data.size))
    model = build_model(recipe, spec, pretrained=False)
    load_best(model, run, changed)
    move_to_device(model, fabric, recipe.training)
    batch_size = recipe.data.batch_size
    eval_batch_size = recipe.data.scoring_batch_size
    load = Load()
    latency = _median_seconds(_prediction(recipe, model, fabric, 1), fabric, LATENCY, effort)
    prediction = _median_seconds(
        _prediction(recipe, model, fabric, eval_batch_size), fabric, PREDICTION, effort
    )
    training = _median_seconds(_training(recipe, model, fabric), fabric, TRAINING, effort)
    threads = torch.get_num_threads() if fabric.device.type == "cpu" else 1
    return MeasuredCosts(
        macs=macs,
        latency_ms=1000 * latency,
        predict_images_per_second=eval_batch_size / prediction,
        train_images_per_second=batch_size / training,
        peak_memory_bytes=peak_memory(),
        weights_bytes=(run.checkpoints / "best.safetensors").stat().st_size,
        machine={
            **this_machine(),
            "device": device_name(fabric.device),
            "threads": torch.get_num_threads(),
        },
        precision=precision_of(fabric),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        warnings=[*changed, *load.warnings(threads)],
    )


def multiply_adds(model: nn.Module, shape: Sequence[int]) -> int:
    """Multiply-adds of a prediction.

    Counted by torch: convolutions, transposed convolutions, matrix products and attention. Not counted:
    biases, normalisation, activations, pooling, interpolation, products of a matrix with a vector, and custom
    operations such as deformable convolutions.

    Args:
        model: model on the meta device.
        shape: (B, C, H, W).
    """
    with torch.device("meta"), torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model.eval()(torch.empty(*shape))
    return int(counter.get_total_flops()) // 2  # it counts multiplications and additions


def _prediction(recipe: Recipe, model: Segmenter, fabric: Fabric, images: int) -> Callable[[], object]:
    batch = next(
        iter(EvalBatches(*_noise(recipe, images), batch_size=images, pixel_range=recipe.data.pixel_range))
    )
    image = fabric.to_device(batch.image)

    @torch.inference_mode()
    def predict() -> object:
        with fabric.autocast():
            return model(image)

    model.eval()
    return predict


def _training(recipe: Recipe, model: Segmenter, fabric: Fabric) -> Callable[[], object]:
    state = zero_lr_state(recipe, model)
    batch_size = recipe.data.batch_size
    steps = fit(
        state, _RepeatedBatch(
            *_noise(recipe, batch_size), (), batch_size, recipe.seed, pixel_range=recipe.data.pixel_range
        ),
        build_losses(recipe),
        _unreachable_scores, fabric, recipe.training,
        seed=recipe.seed, names=["noise"] * batch_size, higher_is_better=True,
    )  # fmt: skip
    return lambda: next(steps)


class _RepeatedBatch(TrainBatches):
    """One batch, repeated endlessly: time training, not loading."""

    def epoch(self, epoch: int, *, after: int = 0) -> Iterator[Batch]:
        return repeat(next(super().epoch(epoch)))


def _unreachable_scores(model: nn.Module) -> Scores:
    raise AssertionError("an endless epoch is never scored")


def _noise(recipe: Recipe, images: int) -> tuple[Pixels, Pixels]:
    """Random images and masks in the layout of `Prepared`."""
    rng, data = np.random.default_rng(recipe.seed), recipe.data
    values = len(data.classes) if data.task == "multiclass" else 2
    layers = [len(data.classes)] if data.task == "multilabel" else []
    shape = (images, *data.size)
    return (
        rng.integers(256, size=(*shape, data.in_channels), dtype=np.uint8),
        rng.integers(values, size=(*shape, *layers), dtype=np.uint8),
    )


def _median_seconds(call: Callable[[], object], fabric: Fabric, usual: Effort, effort: float) -> float:
    for _ in range(usual.warm_up):
        call()
    synchronize(fabric.device)
    times: list[float] = []
    until = time.perf_counter() + effort * usual.seconds
    while len(times) < usual.times or time.perf_counter() < until:
        started = time.perf_counter()
        call()
        synchronize(fabric.device)
        times.append(time.perf_counter() - started)
    return statistics.median(times)

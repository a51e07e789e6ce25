"""What the model of a finished run costs, measured in this process."""

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
from segkit.experiments.benchmark.costs.timing import learner_at_rest, wait
from segkit.experiments.finished_run import load_best, read_run
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
    """How often something is timed.

    Args:
        warm_up: times before, which count for nothing.
        times: at least.
        seconds: until which it goes on.
    """

    warm_up: int
    times: int
    seconds: float


# Some seven seconds for a model, whatever its size; a large one is timed a few times only, but then its times
# scatter less. The first calls allocate memory, choose algorithms and, where the recipe says so, compile.
LATENCY = Effort(warm_up=3, times=5, seconds=1.5)
PREDICTION = Effort(warm_up=1, times=3, seconds=2.0)
TRAINING = Effort(warm_up=1, times=3, seconds=3.0)


def measure(run: RunDir, plugins: Sequence[Path] = (), *, effort: float = 1.0) -> MeasuredCosts:
    """Measure the model of a run on noise of the recipe's size: no image is read.

    It is the model of the best weights, in the recipe's precision and memory order, on the device that the
    recipe takes on this machine; predictions are not compiled. Times are medians, over calls that are waited
    for. A training step is that of `fit`: forward, loss, backward, optimiser; nothing is loaded or augmented.
    The peak of memory is that of this process, from its start: of the GPU where the model is on one.

    Args:
        run: a complete run directory.
        plugins: files or folders with the parts that it used.
        effort: share of the usual time.

    Raises:
        SegkitError: if a plugin that it used is not loaded, this machine lacks the recipe's device or memory,
            or recipe or checkpoint are at fault.
    """
    recipe, changed = read_run(run, plugins=plugins)
    fabric = make_fabric(recipe.training)
    spec = dry_run(recipe.model, recipe.data)
    with torch.device("meta"):
        weightless = build_model(recipe, spec, pretrained=False)
    macs = multiply_adds(weightless, (1, recipe.data.channels, *recipe.data.size))
    model = build_model(recipe, spec, pretrained=False)
    load_best(model, run, changed)
    move_to_device(model, fabric, recipe.training)
    batch_size = recipe.data.batch_size
    together = recipe.data.scoring_batch_size
    load = Load()
    alone = _median_seconds(_prediction(recipe, model, fabric, 1), fabric, LATENCY, effort)
    prediction = _median_seconds(_prediction(recipe, model, fabric, together), fabric, PREDICTION, effort)
    training = _median_seconds(_training(recipe, model, fabric), fabric, TRAINING, effort)
    threads = torch.get_num_threads() if fabric.device.type == "cpu" else 1
    return MeasuredCosts(
        macs=macs,
        latency_ms=1000 * alone,
        predict_images_per_second=together / prediction,
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

    What torch's own counter counts: convolutions, transposed or not, matrix products and attention. Not what
    is small beside them (biases, normalisation, activations, pooling, interpolation), nor the product of a
    matrix with a vector, nor operations that are not torch's own, such as deformable convolutions.

    Args:
        model: on the meta device.
        shape: of the images: (B, C, H, W).
    """
    with torch.device("meta"), torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model.eval()(torch.empty(*shape))
    return int(counter.get_total_flops()) // 2  # it counts multiplications and additions


def _prediction(recipe: Recipe, model: Segmenter, fabric: Fabric, images: int) -> Callable[[], object]:
    """A call that predicts so many images, which are on the device by then."""
    batch = next(iter(EvalBatches(*_noise(recipe, images), batch_size=images)))
    image = fabric.to_device(batch.image)

    @torch.inference_mode()
    def predict() -> object:
        with fabric.autocast():
            return model(image)

    model.eval()
    return predict


def _training(recipe: Recipe, model: Segmenter, fabric: Fabric) -> Callable[[], object]:
    """A call that takes one training step, of which nothing is learnt."""
    learner = learner_at_rest(recipe, model)
    batch_size = recipe.data.batch_size
    steps = fit(
        learner, _OneBatch(*_noise(recipe, batch_size), (), batch_size, recipe.seed), build_losses(recipe),
        _never_scored, fabric, recipe.training,
        seed=recipe.seed, names=["noise"] * batch_size, higher_is_better=True,
    )  # fmt: skip
    return lambda: next(steps)


class _OneBatch(TrainBatches):
    """The same batch again and again: what is timed is training, not the making of batches."""

    def epoch(self, epoch: int, *, after: int = 0) -> Iterator[Batch]:
        return repeat(next(super().epoch(epoch)))


def _never_scored(model: nn.Module) -> Scores:
    raise AssertionError("an epoch without end has no scores")


def _noise(recipe: Recipe, images: int) -> tuple[Pixels, Pixels]:
    """Images and masks as `prepare` gives them, of random numbers."""
    rng, data = np.random.default_rng(recipe.seed), recipe.data
    values = len(data.classes) if data.task == "multiclass" else 2
    layers = [len(data.classes)] if data.task == "multilabel" else []
    shape = (images, *data.size)
    return (
        rng.integers(256, size=(*shape, data.channels), dtype=np.uint8),
        rng.integers(values, size=(*shape, *layers), dtype=np.uint8),
    )


def _median_seconds(call: Callable[[], object], fabric: Fabric, usual: Effort, effort: float) -> float:
    for _ in range(usual.warm_up):
        call()
    wait(fabric.device)
    times: list[float] = []
    until = time.perf_counter() + effort * usual.seconds
    while len(times) < usual.times or time.perf_counter() < until:
        started = time.perf_counter()
        call()
        wait(fabric.device)
        times.append(time.perf_counter() - started)
    return statistics.median(times)

"""Verification of exported models: same masks and scores as the run's model on all scored images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from segkit.core.errors import ExportError
from segkit.data.resize import resize_image
from segkit.runs.environment import data_digests
from segkit.training.count_pixels import predict_mask
from segkit.training.evaluate import predict_logits
from segkit.training.probabilities import probabilities_of, probabilities_to_logits

if TYPE_CHECKING:
    from segkit.core.types import Progress
    from segkit.experiments.restore_run import FinishedRun
    from segkit.inference.network import Network, Probabilities
    from segkit.inference.torch_network import TorchNetwork

MAX_PIXELS = 1e-4  # share of pixels of another class: where two classes are equally probable
MAX_DIFFERENCE = 1e-3  # of a probability; rounding in float32 stays far below
MAX_SCORE = 1e-4
_SHAPE_IMAGES = 3  # images to compare other batch shapes on
_SIZE_STEP = 17  # pixels added to the sides; odd, for models that take any size


@dataclass(frozen=True)
class Verification:
    """Comparison of an exported model with the run's model."""

    split: str
    images: int
    pixels: int  # of all masks
    pixels_that_differ: int  # of another class
    largest_difference: float  # of a probability
    metric: str  # the recipe's first
    scores: dict[str, float]
    model_scores: dict[str, float]  # of the run's model, on this machine in float32
    reported: dict[str, float | None]  # by the run
    same_images: bool  # as the run was scored on
    shapes: tuple[tuple[int, int, int], ...]  # other batches compared: (images, height, width)


def check_shapes(network: Network, model: TorchNetwork, finished: FinishedRun) -> list[tuple[int, int, int]]:
    """Compare the models on other batch sizes, and on another image size if the model takes several.

    Returns:
        Compared shapes (images, height, width).

    Raises:
        ExportError: if the probabilities differ.
    """
    images = finished.assembly.splits[finished.assembly.test_split].images[:_SHAPE_IMAGES]
    (height, width), multiple = network.info.size, network.info.multiple
    step = multiple if multiple > 1 else _SIZE_STEP
    sizes = [(height, width), *([(height + step, width + 2 * step)] if multiple else [])]
    shapes = [(count, *size) for size in sizes for count in sorted({1, len(images)})]
    for count, *size in shapes:
        batch = np.stack([resize_image(image, (size[0], size[1])) for image in images[:count]])
        difference = float(np.abs(network(batch) - model(batch)).max())
        if not difference <= MAX_DIFFERENCE:
            raise ExportError(
                f"the exported file differs from the run's model on {count} images of {size[0]}x{size[1]}: "
                f"largest difference of a probability {difference:.2g}"
            )
    return shapes


def verify(
    network: Network,
    model: TorchNetwork,
    finished: FinishedRun,
    shapes: Sequence[tuple[int, int, int]],
    on_progress: Progress = lambda label, done, total: None,
) -> Verification:
    """Compare the exported network with the run's model on all scored images, at the recipe's size.

    Raises:
        ExportError: if masks or scores differ by more than rounding.
    """
    assembly = finished.assembly
    split, task, metrics = assembly.test_split, assembly.task, assembly.metrics
    batches, images = assembly.eval_batches(split), assembly.splits[split].images
    rows: tuple[dict[str, list[Tensor]], ...] = tuple({name: [] for name in metrics} for _ in range(2))
    differing, pixels, largest = 0, 0, 0.0
    for batch in batches:
        logits = predict_logits(model.model, batch.image, model.fabric)
        probabilities = network(np.stack([images[index] for index in batch.indices]))
        exported_logits = probabilities_to_logits(probabilities, task)
        masks = predict_mask(logits, task), predict_mask(exported_logits, task)
        differing += int((masks[0] != masks[1]).sum())
        pixels += masks[0].numel()
        largest = max(largest, _difference(probabilities_of(logits, task).numpy(), probabilities))
        for name, metric in metrics.items():
            for table, values in zip(rows, (logits, exported_logits), strict=True):
                table[name].append(metric.per_image(values, batch.target).double())
        on_progress("comparing images", batch.indices[-1] + 1, len(batches))
    model_scores, scores = (
        {name: metric.reduce(torch.cat(table[name])) for name, metric in metrics.items()} for table in rows
    )
    digest = data_digests({split: assembly.splits[split]})[split]
    verification = Verification(
        split=split,
        images=len(batches),
        pixels=pixels,
        pixels_that_differ=differing,
        largest_difference=largest,
        metric=next(iter(metrics)),
        scores=scores,
        model_scores=model_scores,
        reported=finished.run.read_summary().scores.metrics,
        same_images=digest == finished.run.read_environment().data_digests.get(split),
        shapes=tuple(shapes),
    )
    _check_tolerances(verification)
    return verification


def score_warnings(result: Verification) -> list[str]:
    """A warning if the run reports another score than its model has on this machine."""
    reported, score = result.reported.get(result.metric), result.model_scores[result.metric]
    if not result.same_images or reported is None or abs(reported - score) <= MAX_SCORE:
        return []
    return [
        f"The run reports {result.metric} {reported:.4f}, but its model scores {score:.4f} on this machine "
        "in float32: it was trained with another precision, device or library version."
    ]


def _check_tolerances(result: Verification) -> None:
    problems = []
    if result.pixels_that_differ >= MAX_PIXELS * result.pixels:
        problems.append(f"{result.pixels_that_differ:,} of {result.pixels:,} pixels have another class")
    if not result.largest_difference <= MAX_DIFFERENCE:
        problems.append(f"a probability differs by {result.largest_difference:.2g}")
    for name in dict.fromkeys((result.metric, *({"iou"} & result.scores.keys()))):
        expected, score = result.model_scores[name], result.scores[name]
        undefined = math.isnan(expected) and math.isnan(score)
        if not undefined and not abs(expected - score) <= MAX_SCORE:
            problems.append(f"{name} is {score:.4f} instead of {expected:.4f}")
    if problems:
        raise ExportError(
            f"the exported file does not match the run: on {result.images:,} {result.split} images "
            + "; ".join(problems),
            hint="nothing was written; try another --format",
        )


def _difference(first: Probabilities, second: Probabilities) -> float:
    difference = float(np.abs(first - second).max())
    return math.inf if math.isnan(difference) else difference

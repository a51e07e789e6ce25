"""Verification of exported models: same masks and scores as the run's model on all scored images."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from segkit.core.errors import ExportError
from segkit.data.resize import resize_chunks, resize_image
from segkit.data.windows import cut_window
from segkit.inference.evaluation.score_images import scored_parts
from segkit.runs.environment import data_digests
from segkit.training.count_pixels import predict_mask
from segkit.training.evaluate_images import ImageScore
from segkit.training.probabilities import probabilities_of, probabilities_to_logits

if TYPE_CHECKING:
    from segkit.core.types import Pixels, Progress
    from segkit.experiments.assembly import Assembly
    from segkit.experiments.restore_run import FinishedRun
    from segkit.inference.image_source import Size
    from segkit.inference.network import Network, Probabilities
    from segkit.inference.torch_network import TorchEnsemble, TorchNetwork

    Exported = TorchNetwork | TorchEnsemble

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
    models: int = 1  # of the ensemble

    @property
    def model_words(self) -> str:
        """``the run's model``, ``the mean of the 5 models``."""
        return "the run's model" if self.models == 1 else f"the mean of the {self.models} models"


def check_shapes(network: Network, model: Exported, finished: FinishedRun) -> list[tuple[int, int, int]]:
    """Compare the models on other batch sizes, and on another image size if the model takes several.

    Returns:
        Compared shapes (images, height, width).

    Raises:
        ExportError: if the probabilities differ.
    """
    prepared = finished.assembly.splits[finished.assembly.test_split]
    (height, width), multiple = network.info.size, network.info.multiple
    indices = range(min(_SHAPE_IMAGES, len(prepared)))
    images = [cut_window(prepared.images[index], 0, 0, (height, width)) for index in indices]
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
    model: Exported,
    finished: FinishedRun,
    shapes: Sequence[tuple[int, int, int]],
    on_progress: Progress = lambda label, done, total: None,
) -> Verification:
    """Compare the exported network with the model on all scored images of a run, as the run is scored.

    Raises:
        ExportError: if masks or scores differ by more than rounding.
    """
    assembly, models = finished.assembly, len(getattr(model, "members", "1"))
    split, task, metrics = assembly.test_split, assembly.task, assembly.metrics
    count = len(assembly.splits[split])
    rows: tuple[dict[str, list[Tensor]], ...] = tuple({name: [] for name in metrics} for _ in range(2))
    differing, pixels, largest = 0, 0, 0.0
    parts = _predict_whole if assembly.recipe.data.fit == "stretch" else _predict_in_windows
    for index, predictions in groupby(parts(network, model, assembly), key=itemgetter(0)):
        scores = ImageScore(task, metrics), ImageScore(task, metrics)
        for _, logits, probabilities, target in predictions:
            exported_logits = probabilities_to_logits(probabilities, task)
            masks = predict_mask(logits, task), predict_mask(exported_logits, task)
            differing += int((masks[0] != masks[1]).sum())
            pixels += masks[0].numel()
            largest = max(largest, _difference(probabilities_of(logits, task).numpy(), probabilities))
            for score, values in zip(scores, (logits, exported_logits), strict=True):
                score.add(values, target)
        for table, score in zip(rows, scores, strict=True):
            for name, row in score.rows().items():
                table[name].append(row)
        on_progress("comparing images", index + 1, count)
    model_scores, scores_of_file = (
        {name: metric.reduce(torch.cat(table[name])) for name, metric in metrics.items()} for table in rows
    )
    digest = data_digests({split: assembly.splits[split]})[split]
    verification = Verification(
        split=split,
        images=count,
        pixels=pixels,
        pixels_that_differ=differing,
        largest_difference=largest,
        metric=next(iter(metrics)),
        scores=scores_of_file,
        model_scores=model_scores,
        reported=finished.run.read_summary().scores.metrics if models == 1 else {},
        same_images=digest == finished.run.read_environment().data_digests.get(split),
        shapes=tuple(shapes),
        models=models,
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


_Part = tuple[int, Tensor, "Probabilities", Tensor]


def _predict_whole(network: Network, model: Exported, assembly: Assembly) -> Iterator[_Part]:
    """Index of each image, logits of the model, probabilities of the file, and target."""
    images = assembly.splits[assembly.test_split].images
    for batch in assembly.eval_batches(assembly.test_split):
        logits = model.logits(batch.image)
        probabilities = network(np.stack([images[index] for index in batch.indices]))
        for i, index in enumerate(batch.indices):
            yield index, logits[i : i + 1], probabilities[i : i + 1], batch.target[i : i + 1]


def _predict_in_windows(network: Network, model: Exported, assembly: Assembly) -> Iterator[_Part]:
    """The same of parts of each image, from top to bottom, at the size of its mask."""
    prepared, task = assembly.splits[assembly.test_split], assembly.task
    for index, (image, mask) in enumerate(zip(prepared.images, prepared.masks, strict=True)):
        chunks = [_blended(each, image, mask.shape[:2], assembly) for each in (model, network)]
        parts: Iterable[list[Probabilities]] = map(list, zip(*chunks, strict=True))
        for (ours, exported), target in scored_parts(parts, mask, task, assembly.metrics):
            yield index, probabilities_to_logits(ours[None], task), exported[None], target


def _blended(network: Network, image: Pixels, size: Size, assembly: Assembly) -> Iterator[Probabilities]:
    data = assembly.recipe.data
    fit, content = data.geometry, (image.shape[0], image.shape[1])
    grid, starts = fit.grid(content), fit.grid(content).starts

    def predictions() -> Iterator[Probabilities]:
        while batch := [*islice(starts, data.scoring_batch_size)]:
            yield from network(np.stack([cut_window(image, top, left, fit.size) for top, left in batch]))

    chunks = grid.blend(network.info.task.channels, predictions())
    return chunks if content == size else resize_chunks(chunks, content[0], size)


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

"""Per-image evaluation of a model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from segkit.core.class_scores import PixelCounts
from segkit.training.count_pixels import confusion_shape, count_pixels
from segkit.training.distributed.sharding import gather_batches, sum_over_processes
from segkit.training.torch_errors import explain_scoring_errors

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from segkit.core.types import Loss, Metric, Task
    from segkit.data.batches import Batch
    from segkit.data.readers.raster import Extent

OnLogits = Callable[[int, slice, Tensor], None]
Scored = tuple[Tensor, Tensor, dict[str, Tensor]]  # losses, class pixels, and rows by metric, of a batch


def ignore_logits(image: int, rows: slice, logits: Tensor) -> None:
    """Callback that does nothing."""


@dataclass(frozen=True)
class Scores:
    """Scores of a model on a set of images.

    Args:
        loss: mean of the per-image losses; independent of the batch size.
        metrics: score over all images, by metric.
        per_image: one score per image, in the order of the images, by metric; NaN where undefined.
        rows: (N, S) rows of `Metric.per_image`, by metric.
        classes: pixels of every image by class, if they were counted.
    """

    loss: float
    metrics: dict[str, float]
    per_image: dict[str, list[float]]
    rows: dict[str, Tensor] = field(default_factory=dict, repr=False)
    classes: PixelCounts | None = field(default=None, repr=False)


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    batches: Iterable[Batch],
    task: Task,
    metrics: Mapping[str, Metric],
    loss: Loss,
    fabric: Fabric,
    on_progress: Callable[[int], None] = lambda done: None,
    on_logits: OnLogits = ignore_logits,
) -> Scores:
    """Score a model. Leaves the model in evaluation mode.

    Several processes take whole batches in turn, so that the batches are those of a single process; each of
    them gets all scores.

    Args:
        model: pixels (B, C, H, W) -> logits (B, K, H, W), on the fabric's device.
        batches: batches in the order of the scores.
        task: kind of masks, classes and ignored value.
        metrics: metrics by name.
        loss: (logits, target) -> scalar.
        fabric: device and precision; metrics and loss use logits of at least float32.
        on_progress: callback of the number of images or windows done.
        on_logits: callback of (image, rows, logits (1, K, rows, W)) of each image of this process.

    Raises:
        TrainingError: if memory runs out.
    """
    scored: list[Scored] = []
    confusion = torch.zeros(confusion_shape(task), dtype=torch.long)
    for batch in islice(batches, fabric.global_rank, None, fabric.world_size):
        with explain_scoring_errors(f"{len(batch.image)} images at once"):
            logits, target = predict_logits(model, batch.image, fabric), fabric.to_device(batch.target)
            losses = torch.stack([loss(logits[i : i + 1], target[i : i + 1]) for i in range(len(logits))])
            rows = {
                name: _rows(metric, logits, target, batch.contents).double().cpu()
                for name, metric in metrics.items()
            }
            pixels, counts = count_pixels(logits, target, task)
            confusion += counts
            scored.append((losses.double().cpu(), pixels, rows))
            for index, rows_of_image, of_image in image_logits(batch, logits):
                on_logits(index, rows_of_image, of_image)
        on_progress(batch.indices[-1] + 1)
    return gather_scores(scored, confusion, task, metrics, fabric)


def image_logits(batch: Batch, logits: Tensor) -> Iterator[tuple[int, slice, Tensor]]:
    """Index, rows and logits (1, K, rows, W) of each image of a batch, without its padding."""
    for number, (index, image) in enumerate(zip(batch.indices, logits, strict=True)):
        height, width = batch.contents[number] if batch.contents else image.shape[1:]
        yield index, slice(0, height), image[None, :, :height, :width]


def _rows(metric: Metric, logits: Tensor, target: Tensor, contents: Sequence[Extent] | None) -> Tensor:
    if not contents or metric.sums:  # padding is ignored, and so adds nothing
        return metric.per_image(logits, target)
    # The border of an image is a boundary, the border of its padding is none.
    images = [
        metric.per_image(
            logits[i : i + 1, :, :height, :width].contiguous(),
            target[i : i + 1, ..., :height, :width].contiguous(),
        )
        for i, (height, width) in enumerate(contents)
    ]
    return torch.cat(images)


def gather_scores(
    scored: list[Scored], confusion: Tensor, task: Task, metrics: Mapping[str, Metric], fabric: Fabric
) -> Scores:
    """Scores of all images from those of the processes, which have scored batches or images in turn.

    Args:
        scored: losses, class pixels and rows by metric of each batch of this process.
        confusion: confusion counts of this process.
        task: kind of masks, classes and ignored value.
        metrics: metrics by name.
        fabric: connected processes.
    """
    scored = gather_batches(scored, fabric)
    tables = {name: torch.cat([rows[name] for _, _, rows in scored]) for name in metrics}
    if fabric.world_size > 1:
        confusion = sum_over_processes(confusion.to(fabric.device), fabric).cpu()
    pixels = torch.cat([pixels for _, pixels, _ in scored])
    classes = PixelCounts(task, pixels.numpy(), confusion.numpy())
    return scores_of(metrics, tables, classes, float(torch.cat([losses for losses, _, _ in scored]).mean()))


def scores_of(
    metrics: Mapping[str, Metric], tables: dict[str, Tensor], classes: PixelCounts, loss: float = math.nan
) -> Scores:
    """Scores from the rows of all images.

    Args:
        metrics: metrics by name.
        tables: (N, S) float64 rows by metric.
        classes: pixels of every image by class.
        loss: mean loss of the images, if known.
    """
    return Scores(
        loss=loss,
        metrics={name: metric.reduce(tables[name]) for name, metric in metrics.items()},
        per_image={
            name: [metric.reduce(table[i : i + 1]) for i in range(len(table))]
            for (name, table), metric in zip(tables.items(), metrics.values(), strict=True)
        },
        rows=tables,
        classes=classes,
    )


@torch.inference_mode()
def predict_logits(model: nn.Module, image: Tensor, fabric: Fabric) -> Tensor:
    """Logits of a batch, in evaluation mode and in the run's precision.

    A single image is duplicated: convolution libraries use other kernels for a batch of one, whose last
    digits differ, and scores must not depend on the batch size.

    Shape:
        image: (B, C, H, W), pixels in 0..255.
        output: logits (B, K, H, W), at least float32.
    """
    return logits_of(model, image.expand(2, -1, -1, -1) if len(image) == 1 else image, fabric)[: len(image)]


@torch.inference_mode()
def logits_of(model: nn.Module, image: Tensor, fabric: Fabric) -> Tensor:
    """Logits of a batch, like `predict_logits`; the last digits may depend on the batch size.

    Shape:
        image: (B, C, H, W), pixels in 0..255.
        output: logits (B, K, H, W), at least float32.
    """
    image = fabric.to_device(image)
    with fabric.autocast():
        if model.training:  # eval() visits every module, which is slow
            model.eval()
        logits: Tensor = model(image)
    return logits.to(torch.promote_types(logits.dtype, torch.float32))

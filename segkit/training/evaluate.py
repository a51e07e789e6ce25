"""Model and images in, per-image scores out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from segkit.training.distributed.sharding import gather_dealt
from segkit.training.torch_errors import scoring_explained

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from segkit.core.types import Loss, Metric, Task
    from segkit.data.batches import Batch


@dataclass(frozen=True)
class Scores:
    """What a model scores on some images.

    Args:
        loss: mean over the images, each taken alone, so that no batch size enters.
        metrics: by name, over all images.
        per_image: by name, one score per image, in the images' order; NaN where undefined.
        rows: by name, (N, S): what each metric's `of` makes scores of.
    """

    loss: float
    metrics: dict[str, float]
    per_image: dict[str, list[float]]
    rows: dict[str, Tensor] = field(default_factory=dict, repr=False)


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    batches: Iterable[Batch],
    metrics: Mapping[str, Metric],
    loss: Loss,
    fabric: Fabric,
    on_progress: Callable[[int], None] = lambda done: None,
    keep: Callable[[Tensor], None] = lambda logits: None,
) -> Scores:
    """Score a model. Leaves the model in evaluation mode.

    Several processes are dealt whole batches in turn, so that every image is in the same company as in one
    process; all of them get all scores.

    Args:
        model: pixels (B, C, H, W) -> logits (B, K, H, W), on the fabric's device.
        batches: in the order wanted.
        metrics: by name.
        loss: as in training.
        fabric: device and precision; metrics and loss are computed from logits of at least float32.
        on_progress: callback of (label, done, total).
        keep: given the logits of every batch of this process, for whoever wants more of them than scores.

    Raises:
        TrainingError: if memory runs out.
    """
    scored: list[tuple[Tensor, dict[str, Tensor]]] = []
    for batch in islice(batches, fabric.global_rank, None, fabric.world_size):
        with scoring_explained(len(batch.image)):
            logits, target = predict_logits(model, batch.image, fabric), fabric.to_device(batch.target)
            losses = torch.stack([loss(logits[i : i + 1], target[i : i + 1]) for i in range(len(logits))])
            rows = {name: metric.per_image(logits, target).double().cpu() for name, metric in metrics.items()}
            scored.append((losses.double().cpu(), rows))
            keep(logits)
        on_progress(batch.indices[-1] + 1)
    scored = gather_dealt(scored, fabric)
    tables = {name: torch.cat([rows[name] for _, rows in scored]) for name in metrics}
    return scores_of(metrics, tables, float(torch.cat([losses for losses, _ in scored]).mean()))


def scores_of(metrics: Mapping[str, Metric], tables: dict[str, Tensor], loss: float = math.nan) -> Scores:
    """What comes of the rows of some images.

    Args:
        metrics: by name.
        tables: (N, S) for each of them, in float64.
        loss: of these images, where it is known.
    """
    return Scores(
        loss=loss,
        metrics={name: metric.reduce(tables[name]) for name, metric in metrics.items()},
        per_image={
            name: [metric.reduce(table[i : i + 1]) for i in range(len(table))]
            for (name, table), metric in zip(tables.items(), metrics.values(), strict=True)
        },
        rows=tables,
    )


@torch.inference_mode()
def predict_logits(model: nn.Module, image: Tensor, fabric: Fabric) -> Tensor:
    """What a model says of some images, in evaluation mode and in the run's precision.

    Convolution libraries take another way for a single image than for several, and its last digits differ.
    A single image therefore goes through twice, so that its scores do not depend on its company.

    Shape:
        image: (B, C, H, W), pixels in 0..255.
        output: logits (B, K, H, W), at least float32.
    """
    return logits_of(model, image.expand(2, -1, -1, -1) if len(image) == 1 else image, fabric)[: len(image)]


@torch.inference_mode()
def logits_of(model: nn.Module, image: Tensor, fabric: Fabric) -> Tensor:
    """What a model says of some images, as `predict_logits`; last digits may depend on how many there are.

    Shape:
        image: (B, C, H, W), pixels in 0..255.
        output: logits (B, K, H, W), at least float32.
    """
    image = fabric.to_device(image)
    with fabric.autocast():
        if model.training:  # to go through all modules takes as long as some of them
            model.eval()
        logits: Tensor = model(image)
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def predict_mask(logits: Tensor, task: Task) -> Tensor:
    """The task's integers from logits, at a threshold of 0.5 where there is one.

    Shape:
        logits: (B, K, H, W).
        output: (B, H, W), or (B, K, H, W) for multilabel, as `Task` says of targets.
    """
    if task.kind == "multiclass":
        return logits.argmax(dim=1)
    mask = (logits > 0).long()
    return mask[:, 0] if task.kind == "binary" else mask

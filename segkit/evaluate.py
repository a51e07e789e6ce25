"""Model and images in, per-image scores out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from segkit.contracts import Loss, Metric
    from segkit.data.batches import Batch


@dataclass(frozen=True)
class Scores:
    """What a model scores on some images.

    Args:
        loss: mean over the images, each taken alone, so that no batch size enters.
        metrics: by name, over all images.
        per_image: by name, one score per image, in the images' order; NaN where undefined.
    """

    loss: float
    metrics: dict[str, float]
    per_image: dict[str, list[float]]


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    batches: Iterable[Batch],
    metrics: Mapping[str, Metric],
    loss: Loss,
    device: torch.device,
    progress: Callable[[int], None] = lambda done: None,
) -> Scores:
    """Score a model. Leaves the model in evaluation mode.

    Args:
        model: pixels (B, C, H, W) -> logits (B, K, H, W).
        batches: in the order wanted.
        metrics: by name.
        loss: as in training.
        device: where the model is.
        progress: told the number of images scored so far.
    """
    model.eval()
    losses: list[torch.Tensor] = []
    rows: dict[str, list[torch.Tensor]] = {name: [] for name in metrics}
    for batch in batches:
        image, target = batch.image.to(device), batch.target.to(device)
        logits = model(image).float()
        losses += [loss(logits[i : i + 1], target[i : i + 1]) for i in range(len(logits))]
        for name, metric in metrics.items():
            rows[name].append(metric.rows(logits, target).double().cpu())
        progress(len(losses))
    tables = {name: torch.cat(parts) for name, parts in rows.items()}
    return Scores(
        loss=float(torch.stack(losses).double().mean()),
        metrics={name: metric.of(tables[name]) for name, metric in metrics.items()},
        per_image={
            name: [metric.of(row) for row in tables[name].split(1)] for name, metric in metrics.items()
        },
    )


@torch.inference_mode()
def predict_classes(model: nn.Module, image: torch.Tensor) -> torch.Tensor:
    """The classes a model sees.

    Shape:
        image: (B, C, H, W), pixels in 0..255.
        output: (B, H, W), 0 or 1 for one logit, the index of the largest of several logits.
    """
    logits = model.eval()(image).float()
    return (logits[:, 0] > 0).long() if logits.shape[1] == 1 else logits.argmax(dim=1)

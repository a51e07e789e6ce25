"""Tasks, batches and masks for the tests of metrics."""

import torch
from torch import Tensor

from segkit.core.registry import METRICS
from segkit.core.types import Metric
from segkit.testing import tasks
from segkit.testing.tasks import IGNORED as VOID
from segkit.testing.tasks import TASKS

__all__ = ["BINARY", "TASKS", "VOID", "batch", "build", "certain", "score"]

BINARY = TASKS["binary"]


def build(name: str, kind: str = "binary", **options: object) -> Metric:
    return METRICS.get(name).factory(TASKS[kind], **options)


def batch(kind: str, *, size: int = 5, side: int = 16, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random logits and target, both with blobs rather than noise; the first target is empty."""
    logits, target = tasks.batch(TASKS[kind], images=size, size=(side, side), seed=seed)
    if kind != "multiclass":
        target[0] = 0
    return logits, target


def certain(kind: str, mask: Tensor) -> Tensor:
    """Logits that say exactly this mask."""
    return tasks.logits_of(TASKS[kind], mask, strength=1000)


def score(name: str, prediction: list, truth: list, kind: str = "binary", **options: object) -> float:
    """The score of one image: masks (H, W) as lists."""
    metric = build(name, kind, **options)
    predicted, target = torch.tensor([prediction]), torch.tensor([truth])
    return metric.reduce(metric.per_image(certain(kind, predicted), target))

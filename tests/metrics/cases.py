"""Tasks, batches and masks for the tests of metrics."""

import torch
from torch import Tensor

import segkit.metrics  # noqa: F401  (registers)
from segkit.contracts import Metric, Task
from segkit.registry import METRICS

VOID = 255
TASKS = {
    "binary": Task("binary", ("lesion",), VOID),
    "multiclass": Task("multiclass", ("skin", "lesion", "hair"), VOID),
    "multilabel": Task("multilabel", ("lesion", "hair", "ruler"), VOID),
}
BINARY = TASKS["binary"]


def build(name: str, kind: str = "binary", **options: object) -> Metric:
    return METRICS.get(name).factory(TASKS[kind], **options)


def batch(kind: str, *, size: int = 5, side: int = 16, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random logits and target, both with blobs rather than noise, some of them empty."""
    generator = torch.Generator().manual_seed(seed)
    task = TASKS[kind]
    rough = torch.randn(2, size, task.channels, side, side, generator=generator)
    logits, other = torch.nn.functional.avg_pool2d(rough.flatten(1, 2), 5, 1, 2).unflatten(
        1, rough.shape[1:3]
    )
    other = other + logits
    if kind == "multiclass":
        target = other.argmax(1)
    else:
        other[0] = -1
        target = (other > 0).long() if kind == "multilabel" else (other[:, 0] > 0).long()
    return logits, target


def certain(kind: str, mask: Tensor) -> Tensor:
    """Logits that say exactly this mask."""
    if kind == "multiclass":
        truth = torch.nn.functional.one_hot(mask, 3).permute(0, 3, 1, 2)
    else:
        truth = mask if kind == "multilabel" else mask[:, None]
    return (truth * 2.0 - 1) * 1000


def score(name: str, prediction: list, truth: list, kind: str = "binary", **options: object) -> float:
    """The score of one image: masks (H, W) as lists."""
    metric = build(name, kind, **options)
    predicted, target = torch.tensor([prediction]), torch.tensor([truth])
    return metric.of(metric.rows(certain(kind, predicted), target))

"""Tasks and batches for the tests of losses."""

import torch
from torch import Tensor

from segkit.contracts import Task

VOID = 255
TASKS = {
    "binary": Task("binary", ("lesion",), VOID),
    "multiclass": Task("multiclass", ("skin", "lesion", "hair"), VOID),
    "multilabel": Task("multilabel", ("lesion", "hair", "ruler"), VOID),
}


def batch(kind: str, *, size: int = 3, seed: int = 0, side: int = 8) -> tuple[Tensor, Tensor]:
    """Random logits and target; every class is in every image."""
    generator = torch.Generator().manual_seed(seed)
    task = TASKS[kind]
    logits = torch.randn(size, task.channels, side, side, generator=generator)
    shape = logits.shape if kind == "multilabel" else (size, side, side)
    return logits, torch.randint(0, 3 if kind == "multiclass" else 2, shape, generator=generator)

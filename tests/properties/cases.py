"""Batches of logits and targets, small enough to be read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import Tensor

from segkit.core.types import Task
from segkit.testing.tasks import IGNORED, TASKS

ORDINARY = (-4.0, -1.0, -0.25, 0.0, 0.5, 1.0, 3.0)
LARGE = (-1e30, -1e4, -80.0, 0.0, 17.0, 1e4, 1e30)


class Batch(NamedTuple):
    """What a loss and a metric are given.

    Shape:
        logits: (B, K, H, W)
        target: (B, H, W), or (B, K, H, W) for multilabel
    """

    task: Task
    logits: Tensor
    target: Tensor


@st.composite
def batches(draw: Any, kinds: Any = tuple(TASKS), logits: Any = ORDINARY, most_images: int = 4) -> Batch:
    """Of every kind of task, with and without ignored pixels; images may be empty, full, or unknown."""
    task = TASKS[draw(st.sampled_from(kinds))]
    if not draw(st.booleans()):
        task = replace(task, ignore_index=None)
    images, *size = draw(st.tuples(st.integers(1, most_images), st.integers(1, 7), st.integers(1, 7)))
    values = [*range(task.channels if task.kind == "multiclass" else 2)]
    values += [IGNORED] if task.ignore_index is not None else []
    shape = (task.channels, *size) if task.kind == "multilabel" else tuple(size)
    image = st.one_of(
        arrays.arrays(np.uint8, shape, elements=st.sampled_from(values)),
        st.sampled_from(values).map(lambda value: np.full(shape, value, np.uint8)),
    )
    target = np.stack([draw(image) for _ in range(images)])
    maps = arrays.arrays(np.float32, (images, task.channels, *size), elements=st.sampled_from(logits))
    return Batch(task, torch.from_numpy(draw(maps)), torch.from_numpy(target).long())


def predicted(batch: Batch) -> Tensor:
    """The mask that the logits mean, of the target's shape."""
    if batch.task.kind == "multiclass":
        return batch.logits.argmax(1)
    return (batch.logits > 0).long().reshape(batch.target.shape)


def known(batch: Batch) -> Tensor:
    """Where the target is not ignored."""
    return batch.target != (-1 if batch.task.ignore_index is None else batch.task.ignore_index)

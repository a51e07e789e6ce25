"""What losses and metrics are tried with: tasks, batches, right and wrong predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.core.types import Task, TaskKind
from segkit.testing.check import Subject, accepted, tried_with

IGNORED = 255
TASKS: Mapping[TaskKind, Task] = {
    "binary": Task("binary", ("lesion",), IGNORED),
    "multiclass": Task("multiclass", ("skin", "lesion", "hair"), IGNORED),
    "multilabel": Task("multilabel", ("lesion", "hair", "ruler"), IGNORED),
}

# What a loss and a metric can both do about a point.
KNOWN = (
    "known = torch.ones_like(target, dtype=torch.bool) if task.ignore_index is None "
    "else target != task.ignore_index"
)
INTEGERS = "begin with target = target.long(), or compare: target == 1; 0 - 1 is 255 in uint8"
PURE = "draw nothing at random, and keep nothing from one batch to the next"
IN_PLACE = "operations that end in _ and assignments to a part of a tensor change it: work on a clone()"


@dataclass(frozen=True)
class Case:
    """A part and a task that it fits."""

    subject: Subject
    task: Task

    def __str__(self) -> str:
        return self.task.kind

    def build(self, **changed: Any) -> Any:
        """Build the part for the task, with what is changed of the task."""
        return self.subject.build(replace(self.task, **changed))


def cases(subject: Subject) -> list[Case]:
    """The part with each task that it does not refuse."""

    def case(task: Task) -> Case:
        with tried_with(f"when it is built for a {task.kind} task"):
            subject.build(task)
        return Case(subject, task)

    return accepted("task", TASKS.values(), case)


def it_fits_some_task(subject: Subject) -> None:
    """A part may refuse tasks that make no sense for it, by a PartError when it is built, but not all."""
    cases(subject)


def batch(
    task: Task, *, images: int = 3, size: tuple[int, int] = (24, 20), seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Logits and a target that have to do with each other: blobs, as masks have, not noise.

    Shape:
        logits: (B, K, H, W), about -2 to 2.
        target: int64, (B, H, W), or (B, K, H, W) for multilabel; no pixel is ignored.
    """
    random = torch.Generator().manual_seed(seed)
    noise = torch.randn(2, images * task.channels, *size, generator=random)
    blobs = 3 * F.avg_pool2d(noise, 5, 1, 2, count_include_pad=False)
    logits, other = blobs.view(2, images, task.channels, *size)
    truth = logits + other
    if task.kind == "multiclass":
        return logits, truth.argmax(1)
    target = (truth > 0).long()
    return logits, target if task.kind == "multilabel" else target[:, 0]


def logits_of(task: Task, target: Tensor, *, strength: float = 50.0) -> Tensor:
    """Logits that say exactly this target: + `strength` where a class is, - `strength` elsewhere."""
    if task.kind == "multiclass":
        truth = F.one_hot(target.long(), task.channels).permute(0, 3, 1, 2)
    else:
        truth = target if task.kind == "multilabel" else target[:, None]
    return (truth * 2.0 - 1) * strength


def opposite(task: Task, target: Tensor) -> Tensor:
    """A target of which not one pixel is right."""
    return (target + 1) % task.channels if task.kind == "multiclass" else 1 - target


def one_valued(task: Task, target: Tensor) -> dict[str, Tensor]:
    """By a word for it: targets of this shape in which all pixels are the same."""
    if task.kind == "multiclass":
        return {f"all {name}": torch.full_like(target, i) for i, name in enumerate(task.classes)}
    return {"empty": torch.zeros_like(target), "full": torch.ones_like(target)}


def with_ignored(target: Tensor, value: int = IGNORED) -> tuple[Tensor, Tensor]:
    """The target with a rectangle of ignored pixels, and where these are, of the target's shape."""
    ignored = torch.zeros_like(target, dtype=torch.bool)
    ignored[..., 4:15, 3:11] = True
    return target.masked_fill(ignored, value), ignored


def as_logits(task: Task, pixels: Tensor) -> Tensor:
    """A mask of the target's shape -> the same of the logits' shape, (B, K, H, W)."""
    return pixels if task.kind == "multilabel" else pixels[:, None].expand(-1, task.channels, -1, -1)


def word_for(dtype: torch.dtype) -> str:
    """The name of a number format alone, such as uint8."""
    return str(dtype).removeprefix("torch.")

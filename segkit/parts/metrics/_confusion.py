"""Predicted masks and confusion counts from logits and target."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from segkit.core.errors import PartError
from segkit.core.registry import near
from segkit.core.types import Metric, Task

Decide = Callable[[Tensor, Tensor], "Masks"]


@dataclass(frozen=True)
class Masks:
    """Predicted, true and known pixels of each class: each (B, K, H, W), bool.

    Prediction and truth are False where ignored.
    """

    prediction: Tensor
    truth: Tensor
    known: Tensor

    def count(self) -> Counts:
        """Confusion counts of each image and class, on the CPU: not every accelerator has float64."""
        both, prediction, truth, known = (
            mask.flatten(2).sum(2)
            for mask in (self.prediction & self.truth, self.prediction, self.truth, self.known)
        )
        counts = torch.stack([both, prediction - both, truth - both, known - prediction - truth + both])
        return Counts(*counts.cpu())


@dataclass(frozen=True)
class Counts:
    """Pixels of each image and class, (B, K), int64, on the CPU; without ignored pixels."""

    tp: Tensor
    fp: Tensor
    fn: Tensor
    tn: Tensor

    @property
    def pixels(self) -> Tensor:
        """All known pixels."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def union(self) -> Tensor:
        """Pixels in the prediction, the truth, or both."""
        return self.tp + self.fp + self.fn


def metric_of_counts(
    decide: Decide, rows: Callable[[Counts], Tensor], score: Callable[[Tensor], float] | None = None
) -> Metric:
    """A metric whose rows (B, S) are computed from the counts of each image."""

    def parts(logits: Tensor, target: Tensor) -> Tensor:
        counts = decide(logits, target).count()
        return torch.cat([counts.tp, counts.fp, counts.fn, counts.tn], dim=1)

    return Metric.summed(parts, lambda sums: rows(Counts(*sums.chunk(4, dim=1))), score)


def decision(task: Task, threshold: float = 0.5, classes: tuple[str, ...] | None = None) -> Decide:
    """Function (logits (B, K, H, W), target) -> `Masks` of the chosen classes.

    A pixel belongs to a class if its probability exceeds `threshold`; multiclass: to the most probable class.

    Raises:
        PartError: if `threshold` or `classes` do not apply to the task.
    """
    if task.kind == "multiclass" and threshold != 0.5:
        raise PartError(
            "threshold does not apply to a multiclass task: a pixel belongs to its most probable class",
            hint="leave threshold out",
        )
    limit = math.log(threshold / (1 - threshold))
    chosen = chosen_classes(task, classes)

    def decide(logits: Tensor, target: Tensor) -> Masks:
        truth, known = truth_of(task, logits, target)
        if task.kind == "multiclass":
            prediction = logits.max(1, keepdim=True).indices == _labels(task, logits)
        else:
            prediction = logits.float() > limit
        return Masks(*(mask[:, chosen] for mask in (prediction & known, truth, known)))

    return decide


def truth_of(task: Task, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """True and known pixels of each class: both (B, K, H, W), bool.

    Raises:
        ShapeError: if logits or target do not fit the task.
    """
    task.check_shapes(logits, target)
    target = target if task.kind == "multilabel" else target.unsqueeze(1)  # B 1|K H W
    known = torch.ones_like(target, dtype=torch.bool)
    if task.ignore_index is not None:
        known = target != task.ignore_index
    return (target == _labels(task, target)) & known, known.expand_as(logits)


def chosen_classes(task: Task, classes: tuple[str, ...] | None) -> list[int]:
    """Indices of the classes to score; all by default.

    Raises:
        PartError: for a binary task, an empty list, or unknown names.
    """
    if classes is None:
        return list(range(task.channels))
    if task.kind == "binary":
        raise PartError("classes: a binary task has one class only", hint="leave classes out")
    unknown = [name for name in classes if name not in task.classes]
    if unknown or not classes:
        guesses = [guess for name in unknown for guess in near(name, task.classes)]
        raise PartError(
            f"classes: the task has no {', '.join(map(repr, unknown))}"
            if unknown
            else "classes: the list is empty",
            hint=f"did you mean {', '.join(guesses)}?"
            if guesses
            else f"choose among {', '.join(task.classes)}",
        )
    return [task.classes.index(name) for name in classes]


def _labels(task: Task, like: Tensor) -> Tensor:
    """Target value of each class: (1, K, 1, 1), or (1, 1, 1, 1) if it is 1 for all."""
    labels = range(task.channels) if task.kind == "multiclass" else [1]
    return torch.tensor(labels, device=like.device).view(1, -1, 1, 1)

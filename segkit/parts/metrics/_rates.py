"""The computations behind the metrics of right and wrong pixels; the definitions are in docs/metrics.md."""

from __future__ import annotations

from torch import Tensor

from segkit.core.types import Task
from segkit.parts.metrics._confusion import decision
from segkit.parts.metrics._reduction import Rows, mean_of_defined, ratio


def accuracy_rows(task: Task, threshold: float) -> Rows:
    """Share of right pixels of each image, (B, 1)."""
    decide = decision(task, threshold)

    def per_image(logits: Tensor, target: Tensor) -> Tensor:
        counts = decide(logits, target).count()
        if task.kind == "multiclass":  # a pixel is right for its one class, not for each class that it is not
            return ratio(counts.tp.sum(1, keepdim=True), counts.pixels[:, :1])
        return ratio((counts.tp + counts.tn).sum(1, keepdim=True), counts.pixels.sum(1, keepdim=True))

    return per_image


def sensitivity_rows(task: Task, threshold: float, classes: tuple[str, ...] | None) -> Rows:
    """Share of the true pixels that were found in each image, (B, 1)."""
    decide = decision(task, threshold, classes)

    def per_image(logits: Tensor, target: Tensor) -> Tensor:
        counts = decide(logits, target).count()
        return mean_of_defined(ratio(counts.tp, counts.tp + counts.fn))

    return per_image


def specificity_rows(task: Task, threshold: float, classes: tuple[str, ...] | None) -> Rows:
    """Share of the other pixels that were left alone in each image, (B, 1)."""
    decide = decision(task, threshold, classes)

    def per_image(logits: Tensor, target: Tensor) -> Tensor:
        counts = decide(logits, target).count()
        return mean_of_defined(ratio(counts.tn, counts.tn + counts.fp))

    return per_image

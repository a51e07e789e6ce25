"""Soft counts, and the losses that are functions of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from torch import Tensor

from segkit.core.types import Task
from segkit.parts.losses._inputs import SMALLEST, LossInputs, as_loss, check_weights, mean_of_images

if TYPE_CHECKING:
    from segkit.core.types import Loss


@dataclass(frozen=True)
class SoftCounts:
    """Sums of probabilities over known pixels, each (B, K), or (K,) for a whole batch."""

    tp: Tensor
    fp: Tensor
    fn: Tensor
    tn: Tensor
    positives: Tensor
    pixels: Tensor

    @property
    def mean_error(self) -> Tensor:
        """The mean of |p - t|, from 0 to 1; the mean probability where nothing is true."""
        return (self.fp + self.fn) / self.pixels.clamp_min(1)


def overlap_loss(
    task: Task,
    error: Callable[[SoftCounts], Tensor],
    *,
    class_weights: tuple[float, ...] | None,
    over: Literal["image", "batch"],
    absent: Literal["suppress", "skip"],
    gamma: float = 1.0,
) -> Loss:
    """The weighted mean over images and classes of `error` ** `gamma`; fully ignored images are left out."""
    check_weights(task, class_weights)

    def compute(given: LossInputs) -> Tensor:
        counts = _soft_counts(given, (2, 3) if over == "image" else (0, 2, 3))
        errors = error(counts)
        if gamma != 1:
            errors = errors.clamp_min(1e-7) ** gamma  # the slope at 0 is infinite for gamma < 1
        counted = (counts.positives if absent == "skip" else counts.pixels) > 0
        return mean_of_images(errors, counted * given.weights(class_weights))

    return as_loss(task, compute)


def tversky_error(*, alpha: float, beta: float, smooth: float) -> Callable[[SoftCounts], Tensor]:
    """1 - (tp + smooth) / (tp + alpha fp + beta fn + smooth); the mean error where the class is absent.

    Dice is alpha = beta = 1/2 with half its smooth, Jaccard is alpha = beta = 1.
    """

    def error(counts: SoftCounts) -> Tensor:
        wrong = alpha * counts.fp + beta * counts.fn
        whole = (counts.tp + wrong + smooth).clamp_min(
            SMALLEST
        )  # 0 only where absent: `where` needs it finite
        return (wrong / whole).where(counts.positives > 0, counts.mean_error)

    return error


def matthews_error(counts: SoftCounts) -> Tensor:
    """1 - Matthews correlation coefficient; the mean error where the truth is all 0 or all 1."""
    pixels = counts.pixels.clamp_min(1)
    # Shares rather than counts: the product of four counts would leave float32 for large batches.
    tp, fp, fn, tn = (count / pixels for count in (counts.tp, counts.fp, counts.fn, counts.tn))
    spread = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    coefficient = (tp * tn - fp * fn) / spread.clamp_min(1e-20).sqrt()
    mixed = (counts.positives > 0) & (counts.positives < counts.pixels)
    return (1 - coefficient).where(mixed, counts.mean_error)


def _soft_counts(given: LossInputs, axes: tuple[int, ...]) -> SoftCounts:
    yes, no = given.probabilities, 1 - given.probabilities
    true, false = given.truth, given.valid - given.truth
    tp, fp, fn, tn = ((p * t).sum(axes) for p, t in ((yes, true), (yes, false), (no, true), (no, false)))
    return SoftCounts(tp, fp, fn, tn, true.sum(axes), given.valid.sum(axes))

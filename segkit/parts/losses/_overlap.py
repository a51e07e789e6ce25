"""Losses computed from soft confusion counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from torch import Tensor

from segkit.core.types import Task
from segkit.parts.losses._inputs import EPS, LossInputs, Weights, as_loss, check_weights, mean_of_images

if TYPE_CHECKING:
    from segkit.core.types import Loss


@dataclass(frozen=True)
class SoftCounts:
    """Sums of probabilities over valid pixels, each (B, K), or (K,) for a whole batch."""

    tp: Tensor
    fp: Tensor
    fn: Tensor
    tn: Tensor
    positives: Tensor
    pixels: Tensor

    @property
    def mean_error(self) -> Tensor:
        """Mean of |p - t|, from 0 to 1; the mean probability of an absent class."""
        return (self.fp + self.fn) / self.pixels.clamp_min(1)


def overlap_loss(
    task: Task,
    error: Callable[[SoftCounts], Tensor],
    *,
    class_weights: Weights,
    over: Literal["image", "batch"],
    absent: Literal["suppress", "skip"],
    gamma: float = 1.0,
) -> Loss:
    """Weighted mean over images and classes of `error` ** `gamma`; fully ignored images are left out."""
    check_weights(task, class_weights)

    def compute(inputs: LossInputs) -> Tensor:
        counts = _soft_counts(inputs, (2, 3) if over == "image" else (0, 2, 3))
        errors = error(counts)
        if gamma != 1:
            errors = errors.clamp_min(1e-7) ** gamma  # the slope at 0 is infinite for gamma < 1
        counted = (counts.positives if absent == "skip" else counts.pixels) > 0
        return mean_of_images(errors, counted * inputs.weights(class_weights))

    return as_loss(task, compute)


def tversky_error(*, alpha: float, beta: float, smooth: float) -> Callable[[SoftCounts], Tensor]:
    """1 - (tp + smooth) / (tp + alpha fp + beta fn + smooth); the mean error of an absent class.

    Dice is alpha = beta = 1/2 with half its smooth, Jaccard is alpha = beta = 1.
    """

    def error(counts: SoftCounts) -> Tensor:
        wrong = alpha * counts.fp + beta * counts.fn
        whole = (counts.tp + wrong + smooth).clamp_min(EPS)  # finite where the class is absent
        return (wrong / whole).where(counts.positives > 0, counts.mean_error)

    return error


def matthews_error(counts: SoftCounts) -> Tensor:
    """1 - Matthews correlation coefficient; the mean error if the truth is all 0 or all 1."""
    pixels = counts.pixels.clamp_min(1)
    # Fractions: the product of four counts overflows float32 for large batches.
    tp, fp, fn, tn = (count / pixels for count in (counts.tp, counts.fp, counts.fn, counts.tn))
    spread = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    coefficient = (tp * tn - fp * fn) / spread.clamp_min(1e-20).sqrt()
    mixed = (counts.positives > 0) & (counts.positives < counts.pixels)
    return (1 - coefficient).where(mixed, counts.mean_error)


def _soft_counts(inputs: LossInputs, axes: tuple[int, ...]) -> SoftCounts:
    yes, no = inputs.probabilities, 1 - inputs.probabilities
    true, false = inputs.truth, inputs.valid - inputs.truth
    tp, fp, fn, tn = ((p * t).sum(axes) for p, t in ((yes, true), (yes, false), (no, true), (no, false)))
    return SoftCounts(tp, fp, fn, tn, true.sum(axes), inputs.valid.sum(axes))

"""How much too good the best of several cross-validated scores is."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean


def optimism_over_folds(scores: Sequence[Sequence[float | None]], *, higher_is_better: bool) -> float | None:
    """How much better the best trial is than one that is chosen without the fold that scores it.

    For every fold the trial with the best mean over the other folds is chosen, and its score on this fold is
    compared with that of the trial with the best mean over all folds; the mean of the differences.

    Args:
        scores: of every trial, its score in each fold.
        higher_is_better: whether the largest score is the best.

    Returns:
        None with fewer than two trials, or if a score is undefined.
    """
    sign = 1 if higher_is_better else -1
    signed = [[sign * score for score in folds if score is not None] for folds in scores]
    if len(signed) < 2 or any(len(known) < len(folds) for known, folds in zip(signed, scores, strict=True)):
        return None
    best = max(signed, key=fmean)

    def chosen_without(fold: int) -> Sequence[float]:
        return max(signed, key=lambda folds: sum(folds) - folds[fold])

    return fmean(score - chosen_without(fold)[fold] for fold, score in enumerate(best))

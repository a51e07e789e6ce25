"""95% confidence intervals of scores over images."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from segkit.analysis.comparison.result import Interval
from segkit.analysis.comparison.statistics import RESAMPLES, intervals
from segkit.analysis.score_range import score_range

if TYPE_CHECKING:
    from torch import Tensor

    from segkit.core.types import Metric
    from segkit.recipe.part_schema import MetricPart

_DATASET_RESAMPLES = 1_000  # for scores that are computed anew for every resample
_MAX_NUMBERS = 10**7  # 80 MB of weights: fewer resamples for very many images
_MIN_RESAMPLES = 500


def confidence_intervals(
    parts: Iterable[MetricPart],
    metrics: Mapping[str, Metric],
    rows: Mapping[str, Tensor],
    groups: Sequence[str] | None = None,
) -> dict[str, Interval]:
    """Scores of the metrics of a recipe with their intervals, clipped to the ranges of the metrics.

    Args:
        parts: metrics of the recipe.
        metrics: the same, built, by key.
        rows: per-image values (N, S) by key.
        groups: group of each image; by default each image is one of its own.
    """
    return {
        part.key: confidence_interval(metrics[part.key], rows[part.key], groups).within(
            score_range(part.name)
        )
        for part in parts
    }


def confidence_interval(metric: Metric, rows: Tensor, groups: Sequence[str] | None = None) -> Interval:
    """Score over images with its interval, which ignores the range of the metric.

    A mean over images has the same interval as in comparisons. A score over all images together is
    recomputed on images, or whole groups, drawn with replacement; its interval lies between the percentiles.

    Args:
        metric: metric of the score.
        rows: per-image values (N, S).
        groups: group of each image; by default each image is one of its own.

    Returns:
        Score and limits; the limits are NaN with fewer than two images or groups with a defined score.
    """
    if metric.score is None and rows.shape[1] == 1:
        resamples = max(_MIN_RESAMPLES, min(RESAMPLES, _MAX_NUMBERS // len(rows)))
        return intervals([rows.numpy().T], resamples=resamples, groups=groups)[0]
    return _bootstrap(metric, rows, groups)


def _bootstrap(metric: Metric, rows: Tensor, groups: Sequence[str] | None) -> Interval:
    score, is_defined = metric.reduce(rows), ~rows.isnan().all(dim=1)
    defined = rows[is_defined]
    of_groups = None
    if groups is not None:
        codes = np.unique(np.asarray(groups)[is_defined.numpy()], return_inverse=True)[1]
        of_groups = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    count = len(defined) if of_groups is None else len(of_groups)
    if len(defined) < 2 or count < 2:
        return Interval(score, math.nan, math.nan)
    rng = np.random.default_rng(0)
    scores = []
    for _ in range(_DATASET_RESAMPLES):
        drawn = rng.integers(0, count, count)
        if of_groups is not None:
            drawn = np.concatenate([of_groups[group] for group in drawn])
        scores.append(metric.reduce(defined[torch.from_numpy(drawn)]))
    low, high = np.nanquantile(scores, [0.025, 0.975]) if not np.isnan(scores).all() else (math.nan, math.nan)
    return Interval(score, float(low), float(high))

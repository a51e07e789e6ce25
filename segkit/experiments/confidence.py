"""95% confidence intervals of scores over images."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
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
    parts: Iterable[MetricPart], metrics: Mapping[str, Metric], rows: Mapping[str, Tensor]
) -> dict[str, Interval]:
    """Scores of the metrics of a recipe with their intervals, clipped to the ranges of the metrics.

    Args:
        parts: metrics of the recipe.
        metrics: the same, built, by key.
        rows: per-image values (N, S) by key.
    """
    return {
        part.key: confidence_interval(metrics[part.key], rows[part.key]).within(score_range(part.name))
        for part in parts
    }


def confidence_interval(metric: Metric, rows: Tensor) -> Interval:
    """Score over images with its bootstrap interval, which ignores the range of the metric.

    A mean over images has the same interval as in comparisons. A score over all images together is
    recomputed on images drawn with replacement; its interval lies between the percentiles.

    Args:
        metric: metric of the score.
        rows: per-image values (N, S).

    Returns:
        Score and limits; the limits are NaN with fewer than two images with a defined score.
    """
    if metric.score is None and rows.shape[1] == 1:
        resamples = max(_MIN_RESAMPLES, min(RESAMPLES, _MAX_NUMBERS // len(rows)))
        return intervals([rows.numpy().T], resamples=resamples)[0]
    return _bootstrap(metric, rows)


def _bootstrap(metric: Metric, rows: Tensor) -> Interval:
    score, defined = metric.reduce(rows), rows[~rows.isnan().all(dim=1)]
    if len(defined) < 2:
        return Interval(score, math.nan, math.nan)
    rng = np.random.default_rng(0)
    scores = [
        metric.reduce(defined[torch.from_numpy(rng.integers(0, len(defined), len(defined)))])
        for _ in range(_DATASET_RESAMPLES)
    ]
    low, high = np.nanquantile(scores, [0.025, 0.975]) if not np.isnan(scores).all() else (math.nan, math.nan)
    return Interval(score, float(low), float(high))

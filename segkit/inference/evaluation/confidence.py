"""How sure a score is: its 95% interval over images like those that were scored."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from segkit.analysis.comparison.result import Interval
from segkit.analysis.comparison.statistics import RESAMPLES, intervals

if TYPE_CHECKING:
    from torch import Tensor

    from segkit.core.types import Metric

_OF_ALL = 1_000  # resamples of a score that has to be computed anew for each
_MAX_NUMBERS = 10**7  # 80 MB of shares: of very many images, fewer resamples do
_LEAST = 500


def interval_of(metric: Metric, rows: Tensor) -> Interval:
    """The score of some images with its interval.

    The mean over images has the interval that comparisons give it. A score of all images together is computed
    again for images drawn with replacement, and its interval is between the percentiles of what comes out.

    Args:
        metric: whose score it is.
        rows: (N, S), of N images.

    Returns:
        The limits are NaN where there are fewer than two images with a defined score.
    """
    if metric.score is None and rows.shape[1] == 1:
        resamples = max(_LEAST, min(RESAMPLES, _MAX_NUMBERS // len(rows)))
        return intervals([rows.numpy().T], resamples=resamples)[0]
    return _of_all(metric, rows)


def _of_all(metric: Metric, rows: Tensor) -> Interval:
    score, known = metric.reduce(rows), rows[~rows.isnan().all(dim=1)]
    if len(known) < 2:
        return Interval(score, math.nan, math.nan)
    draws = np.random.default_rng(0)
    drawn = [
        metric.reduce(known[torch.from_numpy(draws.integers(0, len(known), len(known)))])
        for _ in range(_OF_ALL)
    ]
    low, high = np.nanquantile(drawn, [0.025, 0.975]) if not np.isnan(drawn).all() else (math.nan, math.nan)
    return Interval(score, float(low), float(high))

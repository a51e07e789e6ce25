"""Confidence intervals and paired tests of scores, over images and seeds.

Scores of a candidate are an array of seeds by images. Both are resampled: the crossed bootstrap of Owen (The
pigeonhole bootstrap, Annals of Applied Statistics 1(2), 2007). With two to five seeds its intervals are too
narrow. They are therefore scaled about the mean to the standard error of a two-way layout with random effects
(Searle, Casella, McCulloch, Variance Components, 1992) and to Student's t, whose quantiles for seeds and
images are weighted by their variances (Cochran, Cox, Experimental Designs, 1957). With one seed that is a
bootstrap over images, corrected for N - 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, stats

from segkit.analysis.comparison.result import Interval, PairwiseTest, Verdict

if TYPE_CHECKING:
    import numpy.typing as npt

    from segkit.analysis.comparison.result import Scores

    Numbers = npt.NDArray[np.float64]

RESAMPLES = 5_000
MIN_P = 1e-15  # smallest p-value reported
TIE_TOLERANCE = 1e-12  # relative; means of equal scores summed in another order differ by less


def intervals(scores: Sequence[Scores], *, alpha: float = 0.05, resamples: int = RESAMPLES) -> list[Interval]:
    """Mean and confidence interval of every candidate, over images with finite scores for all seeds.

    Args:
        scores: array (seeds, images) of each candidate.
        alpha: intervals cover 1 - alpha.
        resamples: number of bootstrap resamples.

    Returns:
        One interval per candidate; its limits are NaN with fewer than two images.
    """
    means = [_Mean(_without_undefined(_ScoreTable(table, resamples))) for table in scores]
    return [Interval(mean.value, *mean.interval(alpha)) for mean in means]


def compare_pairs(
    scores: Sequence[Scores],
    *,
    higher_is_better: bool,
    alpha: float = 0.05,
    resamples: int = RESAMPLES,
) -> list[PairwiseTest]:
    """Paired tests of all pairs of candidates, without names, in the order of `itertools.combinations`.

    Images are paired, over those with finite scores in both for all seeds. Seeds are not paired, and the two
    may differ in number of seeds and variation between them. If only one has several seeds, the same
    variation is assumed for the other. With one seed each, the result holds for the trained models only.

    Args:
        scores: array (seeds, images) of each candidate, of the same images.
        higher_is_better: direction of the metric.
        alpha: significance level; intervals cover 1 - alpha.
        resamples: number of bootstrap resamples.
    """
    tables = [_ScoreTable(table, resamples) for table in scores]
    pairs = [_compare(a, b, alpha) for a, b in combinations(tables, 2)]
    adjusted = holm([pair.p for pair in pairs])
    sign = 1 if higher_is_better else -1
    return [_with_verdict(pair, p, alpha, sign) for pair, p in zip(pairs, adjusted, strict=True)]


def holm(ps: Sequence[float]) -> list[float]:
    """P-values with Holm's correction (Scandinavian Journal of Statistics 6, 1979)."""
    adjusted, highest = [1.0] * len(ps), 0.0
    for position, index in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        highest = max(highest, min(1.0, (len(ps) - position) * ps[index]))
        adjusted[index] = highest
    return adjusted


class _ScoreTable:
    """Scores (seeds, images) of a candidate, with the number of bootstrap resamples."""

    def __init__(self, scores: Scores, resamples: int) -> None:
        self.scores, self.resamples = np.asarray(scores, dtype=np.float64), resamples
        self.seeds, self.images = self.scores.shape

    @cached_property
    def resampled(self) -> Numbers:
        """(resamples, seeds): means over resampled images, which are the same for all tables."""
        means: Numbers = _resampling_weights(self.images, self.resamples, 0) @ self.scores.T
        return means

    @cached_property
    def seed_variance(self) -> tuple[float, float] | None:
        """Variance of the seeds' means, and its part due to noise of the images; None for one seed."""
        if self.seeds == 1 or self.images < 2:
            return None
        scores = self.scores
        residuals = scores - scores.mean(axis=0) - scores.mean(axis=1, keepdims=True) + scores.mean()
        noise = float((residuals**2).sum()) / ((self.seeds - 1) * (self.images - 1)) / self.images
        return float(scores.mean(axis=1).var(ddof=1)), noise


@dataclass(frozen=True)
class _SeedVariance:
    """Variance of a mean due to seeds, its part due to noise of the images, and its degrees of freedom."""

    total: float
    noise: float
    freedom: float


def _seed_variance(tables: Sequence[_ScoreTable]) -> _SeedVariance | None:
    """Of one table or the difference of two, with Welch's degrees of freedom.

    A table with one seed is assumed to vary as the other.
    """
    known = [(*table.seed_variance, table.seeds) for table in tables if table.seed_variance]
    if not known:
        return None
    unknown = len(tables) - len(known)
    parts = [(total * (1 / seeds + unknown), seeds - 1) for total, _, seeds in known]
    total = sum(part for part, _ in parts)
    noise = sum(part * (1 / seeds + unknown) for _, part, seeds in known)
    squares = sum(part**2 / degrees for part, degrees in parts)
    return _SeedVariance(total, noise, total**2 / squares if squares else math.inf)


@dataclass(frozen=True)
class _StandardError:
    """Standard error (NaN if undefined), with weights of Student's t by degrees of freedom."""

    size: float
    weights: Sequence[tuple[float, float]] = ()

    def quantile(self, p: float) -> float:
        """Two-sided quantile in standard errors."""
        return float(sum(weight * stats.t.isf(p / 2, freedom) for weight, freedom in self.weights))

    def p_value(self, distance: float) -> float:
        """Two-sided p-value of a distance from the mean."""
        if math.isnan(self.size):
            return math.nan
        ratio = distance / self.size
        if self.quantile(MIN_P) < ratio:
            return MIN_P
        return float(optimize.brentq(lambda p: self.quantile(p) - ratio, MIN_P, 1.0))


class _Mean:
    """Mean of one table, or mean difference of two over the same images; all scores are finite."""

    def __init__(self, tables: Sequence[_ScoreTable]) -> None:
        self.tables = tables
        self.images = tables[0].images
        self.by_image: Numbers = tables[0].scores.mean(axis=0)
        if len(tables) > 1:
            subtracted = tables[1].scores.mean(axis=0)
            ties = np.isclose(self.by_image, subtracted, rtol=TIE_TOLERANCE, atol=0.0)
            self.by_image = np.where(ties, 0.0, self.by_image - subtracted)
        self.value = float(self.by_image.mean()) if self.images else math.nan

    def standard_error(self, *, conservative: bool = False) -> _StandardError:
        """Standard error.

        Args:
            conservative: count a variation between seeds that does not exceed the noise, too. With few seeds
                it may be small by chance. Right for tests; would make intervals too wide.
        """
        if self.images < 2:
            return _StandardError(math.nan)
        of_images, seeds = float(self.by_image.var(ddof=1)) / self.images, _seed_variance(self.tables)
        if seeds is None or (seeds.total <= seeds.noise and not conservative):
            return _StandardError(math.sqrt(of_images), [(1.0, self.images - 1)])
        rest = max(of_images - seeds.noise, 0.0)  # both variances contain the noise of single scores
        share = seeds.total / (seeds.total + rest) if seeds.total else 0.0
        weights = [(share, seeds.freedom), (1 - share, self.images - 1)]
        return _StandardError(math.sqrt(of_images + max(seeds.total - seeds.noise, 0.0)), weights)

    def interval(self, alpha: float) -> tuple[float, float]:
        """Limits of the confidence interval."""
        error = self.standard_error()
        if math.isnan(error.size) or error.size == 0:
            return self.value + error.size, self.value + error.size
        resampled = self._resampled()
        low, high = np.quantile(resampled, [alpha / 2, 1 - alpha / 2]) - self.value
        scale = error.quantile(alpha) * error.size / (stats.norm.isf(alpha / 2) * resampled.std())
        return float(self.value + low * scale), float(self.value + high * scale)

    def p_seeds(self) -> float | None:
        """P-value of a t-test against 0; None with one seed each."""
        if all(table.seeds == 1 for table in self.tables):
            return None
        error = self.standard_error(conservative=True)
        return float(self.value == 0) if error.size == 0 else error.p_value(abs(self.value))

    def _resampled(self) -> Numbers:
        # Seeds of the two tables are resampled independently.
        means = [
            (table.resampled * _resampling_weights(table.seeds, table.resamples, stream)).sum(axis=1)
            for stream, table in enumerate(self.tables, start=1)
        ]
        total: Numbers = means[0] - means[1] if len(means) > 1 else means[0]
        return total


@lru_cache(maxsize=4)  # few: with many images an entry is large
def _resampling_weights(count: int, resamples: int, stream: int) -> Numbers:
    """(resamples, count): share of each item in each resample; reproducible."""
    drawn = np.random.default_rng([stream, count]).multinomial(count, [1 / count] * count, size=resamples)
    weights: Numbers = drawn / count
    return weights


def _without_undefined(*tables: _ScoreTable) -> list[_ScoreTable]:
    defined = np.all([np.isfinite(table.scores).all(axis=0) for table in tables], axis=0)
    if defined.all():
        return list(tables)
    return [_ScoreTable(table.scores[:, defined], table.resamples) for table in tables]


def _compare(a: _ScoreTable, b: _ScoreTable, alpha: float) -> PairwiseTest:
    """A pair without correction and verdict; the higher score wins."""
    mean = _Mean(_without_undefined(a, b))
    low, high = mean.interval(alpha)
    p_wilcoxon = float(stats.wilcoxon(mean.by_image).pvalue) if mean.by_image.any() else 1.0
    p_seeds = mean.p_seeds()
    p = p_wilcoxon if p_seeds is None or math.isnan(p_seeds) else max(p_wilcoxon, p_seeds)
    wins, losses = int((mean.by_image > 0).sum()), int((mean.by_image < 0).sum())
    ties = mean.images - wins - losses
    return PairwiseTest(
        mean.value, low, high, p, p_wilcoxon, p_seeds, p, wins, ties, losses, "no difference shown"
    )


def _with_verdict(pair: PairwiseTest, p_adjusted: float, alpha: float, sign: int) -> PairwiseTest:
    """With adjusted p, the verdict and wins of the better score."""
    verdict: Verdict = "no difference shown"
    if p_adjusted < alpha and (pair.low > 0 or pair.high < 0):
        verdict = "a is better" if sign * pair.difference > 0 else "b is better"
    wins, losses = (pair.wins, pair.losses) if sign > 0 else (pair.losses, pair.wins)
    return replace(pair, p_adjusted=p_adjusted, wins=wins, losses=losses, verdict=verdict)

"""Confidence intervals and paired tests of scores, over images and seeds.

With one seed, intervals are a bootstrap over images, corrected for N - 1, and the test is Wilcoxon's. With
several seeds, interval and p-value are of one standard error: that of a two-way layout of seeds and images
with random effects (Searle, Casella, McCulloch, Variance Components, 1992), with quantiles of Student's t for
seeds and images weighted by their variances (Cochran, Cox, Experimental Designs, 1957). p is then below alpha
exactly where the interval excludes 0.

Images of one group, such as those of a patient, are not independent. Where groups are known, the variance
over images is that of the delete-one-group jackknife (Bell, McCaffrey, Survey Methodology 28, 2002;
MacKinnon, Nielsen, Webb, Journal of Applied Econometrics 38, 2023), with as many degrees of freedom as groups
less one, and interval and p-value are of one standard error with one seed too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, special, stats

from segkit.analysis.comparison.result import ClassScore, Interval, PairwiseTest, Verdict

if TYPE_CHECKING:
    import numpy.typing as npt

    from segkit.analysis.comparison.result import Scores

    Numbers = npt.NDArray[np.float64]
    Codes = npt.NDArray[np.intp]  # group of each image, from 0
    Groups = Sequence[str] | None

RESAMPLES = 5_000
MIN_P = 1e-15  # smallest p-value reported
TIE_TOLERANCE = 1e-12  # relative; means of equal scores summed in another order differ by less


def intervals(
    scores: Sequence[Scores], *, alpha: float = 0.05, resamples: int = RESAMPLES, groups: Groups = None
) -> list[Interval]:
    """Mean and confidence interval of every candidate, over images with finite scores for all seeds.

    Args:
        scores: array (seeds, images) of each candidate.
        alpha: intervals cover 1 - alpha.
        resamples: number of bootstrap resamples with one seed and no groups.
        groups: group of each image; by default each image is one of its own.

    Returns:
        One interval per candidate; its limits are NaN with fewer than two images or groups.
    """
    means = [_mean((table,), resamples, groups) for table in scores]
    return [Interval(mean.value, *mean.interval(alpha)) for mean in means]


def means(scores: Sequence[Scores], *, alpha: float = 0.05, groups: Groups = None) -> list[ClassScore]:
    """Mean of every candidate as `intervals` has it, with a t-interval instead of a bootstrap."""
    return [_class_score(_mean((table,), 0, groups), alpha) for table in scores]


def mean_differences(
    scores: Sequence[Scores], *, alpha: float = 0.05, groups: Groups = None
) -> list[ClassScore]:
    """Mean difference of every pair with a t-interval, in the order of `itertools.combinations`."""
    return [_class_score(_mean(pair, 0, groups), alpha) for pair in combinations(scores, 2)]


def _class_score(mean: _Mean, alpha: float) -> ClassScore:
    return ClassScore(Interval(mean.value, *mean.interval(alpha)), mean.images)


def compare_pairs(
    scores: Sequence[Scores],
    *,
    higher_is_better: bool,
    alpha: float = 0.05,
    resamples: int = RESAMPLES,
    groups: Groups = None,
) -> list[PairwiseTest]:
    """Paired tests of all pairs of candidates, without names, in the order of `itertools.combinations`.

    Images are paired, over those with finite scores in both for all seeds. Seeds are not paired, and the two
    may differ in number of seeds and variation between them. If only one has several seeds, the same
    variation is assumed for the other. With one seed each, the result holds for the trained models only.

    Args:
        scores: array (seeds, images) of each candidate, of the same images.
        higher_is_better: direction of the metric.
        alpha: significance level; intervals cover 1 - alpha.
        resamples: number of bootstrap resamples with one seed and no groups.
        groups: group of each image; by default each image is one of its own.
    """
    pairs = [_compare(_mean(pair, resamples, groups), alpha) for pair in combinations(scores, 2)]
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


class _Mean:
    """Mean of one table (seeds, images), or mean difference of two over the same images; all are finite."""

    def __init__(
        self, tables: Sequence[Scores], resamples: int, groups: Codes | None
    ) -> None:  # 0 resamples: a t-interval
        self.tables, self.resamples, self.groups = tables, resamples, groups
        self.images = tables[0].shape[1]
        self.independent = self.images if groups is None else len(np.unique(groups))
        self.by_image: Numbers = tables[0].mean(axis=0)
        if len(tables) > 1:
            subtracted = tables[1].mean(axis=0)
            ties = np.isclose(self.by_image, subtracted, rtol=TIE_TOLERANCE, atol=0.0)
            self.by_image = np.where(ties, 0.0, self.by_image - subtracted)
        self.value = float(self.by_image.mean()) if self.images else math.nan

    @cached_property
    def of_images(self) -> float:
        """Variance of the mean over images like these."""
        return _variance_of_mean(self.by_image, self.groups) if self.independent > 1 else math.nan

    @cached_property
    def standard_error(self) -> _StandardError | None:
        """Standard error over seeds and images.

        None with one seed each and no groups, or with fewer than two images or groups.
        """
        parts = _seed_parts(self.tables, self.groups) if self.independent > 1 else []
        if not parts and (self.groups is None or self.independent < 2):
            return None
        seeds = sum(part.variance for part in parts)
        squares = sum(part.variance**2 / part.freedom for part in parts)  # Welch
        # Both variances contain the noise of single scores; it is counted once.
        images = max(self.of_images - sum(part.noise for part in parts), 0.0)
        freedom = seeds**2 / squares if squares else math.inf
        return _StandardError(seeds, freedom, images, self.independent - 1)

    def interval(self, alpha: float) -> tuple[float, float]:
        """Limits of the confidence interval; NaN with fewer than two images."""
        if self.standard_error:
            half = self.standard_error.half_width(alpha)
            return self.value - half, self.value + half
        return self._interval_over_images(alpha)

    def p_wilcoxon(self) -> float:
        """P-value of the signed-rank test over images, or over the means of groups."""
        units = self.by_image
        if self.groups is not None:
            units = np.bincount(self.groups, units) / np.bincount(self.groups)
        return float(stats.wilcoxon(units).pvalue) if units.any() else 1.0

    def p_seeds(self) -> float | None:
        """P-value of a t-test against 0; None if there is no standard error over seeds or groups."""
        return self.standard_error.p_value(abs(self.value)) if self.standard_error else None

    def _interval_over_images(self, alpha: float) -> tuple[float, float]:
        if not self.of_images:  # NaN is true
            return self.value, self.value
        if math.isnan(self.of_images):
            return math.nan, math.nan
        if not self.resamples:
            half = _StandardError(0.0, math.inf, self.of_images, self.images - 1).half_width(alpha)
            return self.value - half, self.value + half
        means = _resampling_weights(self.images, self.resamples) @ self.by_image
        if not means.std():  # all images score the same, up to rounding
            return self.value, self.value
        low, high = np.quantile(means, [alpha / 2, 1 - alpha / 2]) - self.value
        quantiles = _t_quantile(alpha / 2, self.images - 1) / stats.norm.isf(alpha / 2)
        scale = quantiles * math.sqrt(self.of_images) / means.std()
        return float(self.value + low * scale), float(self.value + high * scale)


@dataclass(frozen=True)
class _SeedPart:
    """Variance of a mean due to the seeds of one table, its part due to noise, its degrees of freedom."""

    variance: float
    noise: float
    freedom: int


def _variance_of_mean(values: Numbers, groups: Codes | None) -> float:
    if groups is None:
        return float(values.var(ddof=1)) / len(values)
    sizes, sums = np.bincount(groups), np.bincount(groups, values)
    without_group = (sums.sum() - sums) / (len(values) - sizes)
    return float(((without_group - values.mean()) ** 2).sum()) * (len(sizes) - 1) / len(sizes)


def _seed_parts(tables: Sequence[Scores], groups: Codes | None) -> list[_SeedPart]:
    """Of the tables with several seeds; a table with one seed is assumed to vary as the other."""
    parts, unknown = [], sum(len(table) == 1 for table in tables)
    for table in tables:
        seeds, images = table.shape
        if seeds == 1:
            continue
        residuals = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
        noise = float((residuals**2).sum()) / ((seeds - 1) * (images - 1)) / images
        if groups is not None:
            noise = sum(_variance_of_mean(row, groups) for row in residuals) / (seeds - 1)
        variance, share = float(table.mean(axis=1).var(ddof=1)), 1 / seeds + unknown
        parts.append(_SeedPart(share * variance, share * noise, seeds - 1))
    return parts


@dataclass(frozen=True)
class _StandardError:
    """Variances of a mean due to seeds and images, with their degrees of freedom."""

    seeds: float
    seeds_freedom: float
    images: float
    images_freedom: float

    def half_width(self, p: float) -> float:
        """Distance from the mean with this two-sided p-value."""
        variance = self.seeds + self.images
        if not variance:
            return 0.0
        parts = ((self.seeds, self.seeds_freedom), (self.images, self.images_freedom))
        weighted = sum(part * _t_quantile(p / 2, freedom) for part, freedom in parts if part)
        return float(weighted / math.sqrt(variance))

    def p_value(self, distance: float) -> float:
        """Two-sided p-value of a distance from the mean."""
        if not self.seeds + self.images:
            return float(distance == 0)
        if self.half_width(MIN_P) < distance:
            return MIN_P
        return float(optimize.brentq(lambda p: self.half_width(p) - distance, MIN_P, 1.0))


def _t_quantile(p: float, freedom: float) -> float:
    """Number that Student's t exceeds with probability p: `stats.t.isf` without its slow checks."""
    return float(-special.stdtrit(freedom, p))


@lru_cache(maxsize=4)  # few: with many images an entry is large
def _resampling_weights(count: int, resamples: int) -> Numbers:
    """(resamples, count): share of each item in each resample; reproducible."""
    drawn = np.random.default_rng([0, count]).multinomial(count, [1 / count] * count, size=resamples)
    weights: Numbers = drawn / count
    return weights


def _mean(tables: Sequence[Scores], resamples: int, groups: Groups) -> _Mean:
    """Over the images whose scores are defined in all tables."""
    defined = np.all([np.isfinite(table).all(axis=0) for table in tables], axis=0)
    codes = None if groups is None else np.unique(np.asarray(groups)[defined], return_inverse=True)[1]
    return _Mean([table[:, defined] for table in tables], resamples, codes)


def _compare(mean: _Mean, alpha: float) -> PairwiseTest:
    """A pair without correction and verdict; the higher score wins."""
    low, high = mean.interval(alpha)
    p_wilcoxon, p_seeds = mean.p_wilcoxon(), mean.p_seeds()
    p = p_wilcoxon if p_seeds is None else p_seeds
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

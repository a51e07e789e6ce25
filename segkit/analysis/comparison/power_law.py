"""Power law of scores over numbers of training images, and its interval at other numbers.

score(n) = a - b n^-c, the inverse power law of learning curves (Figueroa et al., BMC Medical Informatics and
Decision Making 12:8, 2012; Mahmood et al., CVPR 2022). For a given c it is linear in the score at the largest
number of images N and in the gain of 2 N, so that both are fitted exactly by generalised least squares, and c
by a search. The intervals are those of the profile likelihood over c: a few points leave c open, and the gain
of twice the images much less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, stats

from segkit.analysis.comparison.result import Interval

if TYPE_CHECKING:
    import numpy.typing as npt

    from segkit.analysis.comparison.result import Scores

    Numbers = npt.NDArray[np.float64]

PARAMETERS = 3
# From nearly logarithmic growth to faster than those that are reported.
EXPONENTS = np.geomspace(0.01, 2.0, 100)


@dataclass(frozen=True)
class PowerLawFit:
    """Power law through the mean scores of candidates.

    Args:
        images: (K,) number of training images of each candidate.
        means: (K,) mean scores.
        covariance: (K, K) of the means: over the scored images and over seeds.
        freedom: degrees of freedom of the quantiles.
    """

    images: Numbers
    means: Numbers
    covariance: Numbers
    freedom: int

    @property
    def law(self) -> tuple[float, float, float]:
        """a, b and c of the best fit."""
        best = int(np.argmin(self._misfits))
        exponent, (score, gain) = float(EXPONENTS[best]), self._estimates[best]
        slope = gain / (1 - 2**-exponent)
        return float(score + slope), float(slope * self.images.max() ** exponent), exponent

    def gain(self, factor: float, alpha: float) -> Interval:
        """Gain of that many times the largest number of images over this number."""
        return self._interval(np.array([0.0, 1.0]), factor, alpha)

    def score(self, images: float, alpha: float) -> Interval:
        """Score of a number of images."""
        return self._interval(np.array([1.0, 1.0]), images / self.images.max(), alpha)

    def _interval(self, of: Numbers, factor: float, alpha: float) -> Interval:
        """Profile of of[0] * score(N) + of[1] * (score(factor * N) - score(N))."""
        weights = of * np.stack([np.ones(len(EXPONENTS)), _growth(factor, EXPONENTS)], axis=1)  # E 2
        values = (weights * self._estimates).sum(axis=1)
        variances = np.einsum("ei,eij,ej->e", weights, self._variances, weights)
        quantile = float(stats.t.isf(alpha / 2, self.freedom))
        left = quantile**2 - (self._misfits - self._misfits.min())
        kept = left >= 0
        half = np.sqrt(variances[kept] * left[kept])
        best = float(values[np.argmin(self._misfits)])
        return Interval(best, float((values[kept] - half).min()), float((values[kept] + half).max()))

    @cached_property
    def _fits(self) -> tuple[Numbers, Numbers, Numbers]:
        return _fit(self.images, self.means, self.covariance)

    @property
    def _estimates(self) -> Numbers:  # E 2: score at N, gain of 2 N
        return self._fits[0]

    @property
    def _variances(self) -> Numbers:  # E 2 2
        return self._fits[1]

    @property
    def _misfits(self) -> Numbers:  # E
        return self._fits[2]


def fit_power_law(
    images: Sequence[int], scores: Sequence[Scores], groups: Sequence[str] | None = None
) -> PowerLawFit | None:
    """Fit the power law to scores; None if they are too few: below three numbers of images or four runs.

    The means vary over the scored images, which all candidates share, and over the runs of a candidate, by
    one variance for all. What scatters more about the curve than that (with one run each, all training noise)
    is added to the variance of every candidate: as much as makes the misfit what its degrees of freedom allow
    (Mandel and Paule, Journal of Research of the National Bureau of Standards 74A, 1970).

    Args:
        images: training images of each candidate.
        scores: array (seeds, scored images) of each candidate; images that are undefined in one are left out.
        groups: group of each scored image, if images of one group are not independent.
    """
    defined = np.all([np.isfinite(table).all(axis=0) for table in scores], axis=0)
    tables = [table[:, defined] for table in scores]
    units = np.flatnonzero(defined) if groups is None else np.asarray(groups)[defined]
    _, group_of = np.unique(units, return_inverse=True)
    freedom = min(sum(map(len, tables)) - PARAMETERS, int(group_of.max(initial=-1)))
    if len(set(images)) < PARAMETERS or freedom < 1:
        return None
    numbers = np.array(images, float)
    by_image = np.array([table.mean(axis=0) for table in tables])  # K I
    means = by_image.mean(axis=1)
    runs = np.array([len(table) for table in tables])
    covariance = _covariance_of_means(by_image, group_of)
    covariance += np.diag(_variance_of_runs(tables, group_of) / runs)
    covariance += 1e-12 * max(float(np.trace(covariance)), 1e-12) * np.eye(len(tables))
    covariance += _excess(numbers, means, covariance) * np.eye(len(tables))
    return PowerLawFit(numbers, means, covariance, freedom)


def _covariance_of_means(values: Numbers, group_of: npt.NDArray[np.intp]) -> Numbers:
    """Of the means of rows (K, I) over images; a jackknife over groups, which is exact for single images."""
    sizes = np.bincount(group_of)
    sums = np.array([np.bincount(group_of, row) for row in values])  # K G
    total = sums.sum(axis=1, keepdims=True)
    change = (total - sums) / (sizes.sum() - sizes) - total / sizes.sum()
    covariance: Numbers = change @ change.T * (len(sizes) - 1) / len(sizes)
    return covariance


def _variance_of_runs(tables: Sequence[Scores], group_of: npt.NDArray[np.intp]) -> float:
    """Variance of the mean score between runs of one candidate, from all that have several.

    Without the noise of single scores, which the covariance over images contains.
    """
    several = [table for table in tables if len(table) > 1]
    if not several:
        return 0.0
    means = [table.mean(axis=1, keepdims=True) for table in several]
    freedom = sum(len(table) - 1 for table in several)
    between = sum(float(((mean - mean.mean()) ** 2).sum()) for mean in means)
    residuals = [t - mean - t.mean(axis=0) + mean.mean() for t, mean in zip(several, means, strict=True)]
    noise = sum(float(np.trace(_covariance_of_means(rest, group_of))) for rest in residuals)
    return float(max(between - noise, 0.0) / freedom)


def _excess(images: Numbers, means: Numbers, covariance: Numbers) -> float:
    allowed = len(means) - PARAMETERS
    if allowed < 1:
        return 0.0

    def excess_misfit(variance: float) -> float:
        with_it = covariance + variance * np.eye(len(means))
        return float(_fit(images, means, with_it)[2].min()) - allowed

    most = float(means.var()) * len(means)
    if most == 0 or excess_misfit(0.0) <= 0:
        return 0.0
    if excess_misfit(most) >= 0:
        return most
    return float(optimize.brentq(excess_misfit, 0.0, most, rtol=1e-3))


def _fit(images: Numbers, means: Numbers, covariance: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """For every exponent: estimates (E, 2), their covariance (E, 2, 2), and the misfit (E,)."""
    growth = _growth(images / images.max(), EXPONENTS[:, None])  # E K
    design = np.stack([np.ones_like(growth), growth], axis=2)  # E K 2
    inverse = np.linalg.inv(covariance)
    variances = np.linalg.inv(design.swapaxes(1, 2) @ inverse @ design).astype(np.float64)
    estimates: Numbers = np.einsum("eij,ekj,kl,l->ei", variances, design, inverse, means)
    residuals = means - np.einsum("eki,ei->ek", design, estimates)
    misfits: Numbers = np.einsum("ek,kl,el->e", residuals, inverse, residuals)
    return estimates, variances, misfits


def _growth(factor: Numbers | float, exponents: Numbers) -> Numbers:
    """Gain of that many times the images, in units of the gain of twice of them."""
    growth: Numbers = (1 - factor**-exponents) / (1 - 2**-exponents)
    return growth

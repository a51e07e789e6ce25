"""How sure a difference is: paired bootstrap over images and seeds, signed-rank tests, Holm's correction.

The scores of an entrant are a table of seeds by images. Either are some of many that there might have been,
so both are resampled: the crossed bootstrap of Owen (The pigeonhole bootstrap, Annals of Applied Statistics
1(2), 2007). For two to five seeds its percentiles lie too close together. They are therefore stretched about
the mean until they fit the standard error of a two-way layout with random effects (Searle, Casella and
McCulloch, Variance Components, 1992) and Student's t. There are two of these, as the few seeds have few
degrees of freedom and the images many; they are weighted by the variances they belong to (Cochran and Cox,
Experimental Designs, 1957). For one seed that is a bootstrap over images, with the corrections for N - 1.
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

from segkit.analysis.comparison.result import Difference, Interval, Verdict

if TYPE_CHECKING:
    import numpy.typing as npt

    from segkit.analysis.comparison.result import Scores

    Numbers = npt.NDArray[np.float64]

RESAMPLES = 5_000
SMALLEST = 1e-15  # p: below it, all are one
SAME = 1e-12  # relative: means of the same scores in another order differ by less


def intervals(scores: Sequence[Scores], *, alpha: float = 0.05, resamples: int = RESAMPLES) -> list[Interval]:
    """The mean of every entrant with its interval, over the images that have a finite score with every seed.

    Args:
        scores: of each entrant, (seeds, images).
        alpha: the intervals cover 1 - alpha.
        resamples: of the bootstrap.

    Returns:
        The limits are NaN where there are fewer than two images.
    """
    means = [_Mean(_finite(_Table(one, resamples))) for one in scores]
    return [Interval(mean.value, *mean.interval(alpha)) for mean in means]


def compare_pairs(
    scores: Sequence[Scores],
    *,
    higher_is_better: bool,
    alpha: float = 0.05,
    resamples: int = RESAMPLES,
) -> list[Difference]:
    """Every two entrants, in the order of `itertools.combinations`.

    Images are paired: those that have a finite score in both, with every seed. Seeds are not, as seed 0 of
    one recipe has nothing to do with seed 0 of another; so there may be more of one than of the other. Both
    may spread over seeds differently; where only one of them has several, the other is taken to spread alike.
    Where neither has, nothing is known of that spread, and what is found holds for the models that were
    trained, not for their recipes.

    Args:
        scores: of each entrant, (seeds, images), of the same images.
        higher_is_better: of the metric.
        alpha: of the verdict; intervals cover 1 - alpha.
        resamples: of the bootstrap.
    """
    tables = [_Table(one, resamples) for one in scores]
    found = [_compare(a, b, alpha) for a, b in combinations(tables, 2)]
    adjusted = holm([one.p for one in found])
    sign = 1 if higher_is_better else -1
    return [_judged(one, p, alpha, sign) for one, p in zip(found, adjusted, strict=True)]


def holm(ps: Sequence[float]) -> list[float]:
    """P-values corrected for their number: that any of the findings is false is as rare as alpha.

    Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6, 1979.
    """
    adjusted, highest = [1.0] * len(ps), 0.0
    for done, index in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        highest = max(highest, min(1.0, (len(ps) - done) * ps[index]))
        adjusted[index] = highest
    return adjusted


class _Table:
    """The scores of an entrant.

    Args:
        scores: (seeds, images).
        resamples: how often images are drawn.
    """

    def __init__(self, scores: Scores, resamples: int) -> None:
        self.scores, self.resamples = np.asarray(scores, dtype=np.float64), resamples
        self.seeds, self.images = self.scores.shape

    @cached_property
    def drawn(self) -> Numbers:
        """(resamples, seeds): the mean of each seed over the images of each draw, the same for all tables."""
        means: Numbers = _shares(self.images, self.resamples, 0) @ self.scores.T
        return means

    @cached_property
    def spread(self) -> tuple[float, float] | None:
        """Variance of the seeds' means, and how much of it is noise of the images; None for one seed."""
        if self.seeds == 1 or self.images < 2:
            return None
        scores = self.scores
        rest = scores - scores.mean(axis=0) - scores.mean(axis=1, keepdims=True) + scores.mean()
        noise = float((rest**2).sum()) / ((self.seeds - 1) * (self.images - 1)) / self.images
        return float(scores.mean(axis=1).var(ddof=1)), noise


@dataclass(frozen=True)
class _Seeds:
    """What seeds add to the variance of a mean.

    Args:
        between: the variance that their means show.
        noise: as much of it as is noise of the single images.
        freedom: degrees of it.
    """

    between: float
    noise: float
    freedom: float


def _spread_over_seeds(tables: Sequence[_Table]) -> _Seeds | None:
    """Over one table, or the difference of two; None without any spread. Degrees of freedom are Welch's.

    Where one table has a single seed, its seeds are taken to spread as those of the other.
    """
    known = [(*table.spread, table.seeds) for table in tables if table.spread]
    if not known:
        return None
    alone = len(tables) - len(known)
    parts = [(between * (1 / seeds + alone), seeds - 1) for between, _, seeds in known]
    between = sum(part for part, _ in parts)
    noise = sum(one * (1 / seeds + alone) for _, one, seeds in known)
    squares = sum(part**2 / degrees for part, degrees in parts)
    return _Seeds(between, noise, between**2 / squares if squares else math.inf)


@dataclass(frozen=True)
class _Error:
    """A standard error.

    Args:
        size: of it; NaN where it is not known.
        weights: of Student's t for so many degrees of freedom.
    """

    size: float
    weights: Sequence[tuple[float, float]] = ()

    def times(self, p: float) -> float:
        """How many standard errors chance exceeds, to either side, with the probability p."""
        return float(sum(weight * stats.t.isf(p / 2, freedom) for weight, freedom in self.weights))

    def p(self, distance: float) -> float:
        """The probability that chance exceeds a distance."""
        if math.isnan(self.size):
            return math.nan
        wanted = distance / self.size
        if self.times(SMALLEST) < wanted:
            return SMALLEST
        return float(optimize.brentq(lambda p: self.times(p) - wanted, SMALLEST, 1.0))


class _Mean:
    """The mean of a table, or of the first less the second, over the same images.

    Args:
        tables: one or two, without undefined scores.
    """

    def __init__(self, tables: Sequence[_Table]) -> None:
        self.tables = tables
        self.images = tables[0].images
        self.by_image: Numbers = tables[0].scores.mean(axis=0)
        if len(tables) > 1:
            others = tables[1].scores.mean(axis=0)
            same = np.isclose(self.by_image, others, rtol=SAME, atol=0.0)
            self.by_image = np.where(same, 0.0, self.by_image - others)
        self.value = float(self.by_image.mean()) if self.images else math.nan

    def error(self, *, careful: bool = False) -> _Error:
        """How far it is from the truth.

        Args:
            careful: trust no spread over seeds that looks like none: that of so few may by chance. It makes
                intervals too wide where there is none, and keeps tests honest where there is.
        """
        if self.images < 2:
            return _Error(math.nan)
        of_images, seeds = float(self.by_image.var(ddof=1)) / self.images, _spread_over_seeds(self.tables)
        if seeds is None or (seeds.between <= seeds.noise and not careful):
            return _Error(math.sqrt(of_images), [(1.0, self.images - 1)])
        rest = max(of_images - seeds.noise, 0.0)  # the noise of single scores is in both
        share = seeds.between / (seeds.between + rest) if seeds.between else 0.0
        weights = [(share, seeds.freedom), (1 - share, self.images - 1)]
        return _Error(math.sqrt(of_images + max(seeds.between - seeds.noise, 0.0)), weights)

    def interval(self, alpha: float) -> tuple[float, float]:
        """Low and high."""
        error = self.error()
        if math.isnan(error.size) or error.size == 0:
            return self.value + error.size, self.value + error.size
        drawn = self._drawn()
        low, high = np.quantile(drawn, [alpha / 2, 1 - alpha / 2]) - self.value
        stretch = error.times(alpha) * error.size / (stats.norm.isf(alpha / 2) * drawn.std())
        return float(self.value + low * stretch), float(self.value + high * stretch)

    def p_of_seeds(self) -> float | None:
        """Of a t-test whether the mean is 0; None where the spread over seeds is not known."""
        if all(table.seeds == 1 for table in self.tables):
            return None
        error = self.error(careful=True)
        return float(self.value == 0) if error.size == 0 else error.p(abs(self.value))

    def _drawn(self) -> Numbers:
        """Means of resampled images and seeds; those of the two tables are drawn apart."""
        sums = [
            (table.drawn * _shares(table.seeds, table.resamples, stream)).sum(axis=1)
            for stream, table in enumerate(self.tables, start=1)
        ]
        total: Numbers = sums[0] - sums[1] if len(sums) > 1 else sums[0]
        return total


@lru_cache(maxsize=4)  # of many images it is large
def _shares(count: int, resamples: int, stream: int) -> Numbers:
    """(resamples, count): how much each of `count` things counts in each draw; the same whenever asked."""
    drawn = np.random.default_rng([stream, count]).multinomial(count, [1 / count] * count, size=resamples)
    shares: Numbers = drawn / count
    return shares


def _finite(*tables: _Table) -> list[_Table]:
    """The tables without the images that have no finite score in one of them."""
    kept = np.all([np.isfinite(table.scores).all(axis=0) for table in tables], axis=0)
    if kept.all():
        return list(tables)
    return [_Table(table.scores[:, kept], table.resamples) for table in tables]


def _compare(a: _Table, b: _Table, alpha: float) -> Difference:
    """A pair on its own: neither corrected nor judged; wins are those of the larger score."""
    mean = _Mean(_finite(a, b))
    low, high = mean.interval(alpha)
    p_wilcoxon, p_seeds = _wilcoxon(mean.by_image), mean.p_of_seeds()
    p = p_wilcoxon if p_seeds is None or math.isnan(p_seeds) else max(p_wilcoxon, p_seeds)
    wins, losses = int((mean.by_image > 0).sum()), int((mean.by_image < 0).sum())
    ties = mean.images - wins - losses
    return Difference(
        mean.value, low, high, p, p_wilcoxon, p_seeds, p, wins, ties, losses, "no difference shown"
    )


def _wilcoxon(differences: Numbers) -> float:
    """1 where there is no difference to test."""
    return float(stats.wilcoxon(differences).pvalue) if differences.any() else 1.0


def _judged(pair: Difference, p_adjusted: float, alpha: float, sign: int) -> Difference:
    """With the verdict, which p and interval must both support; wins are those of the better score."""
    verdict: Verdict = "no difference shown"
    if p_adjusted < alpha and (pair.low > 0 or pair.high < 0):
        verdict = "a is better" if sign * pair.difference > 0 else "b is better"
    wins, losses = (pair.wins, pair.losses) if sign > 0 else (pair.losses, pair.wins)
    return replace(pair, p_adjusted=p_adjusted, wins=wins, losses=losses, verdict=verdict)

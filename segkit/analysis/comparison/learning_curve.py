"""Learning curve of a comparison whose candidates differ in `data.fraction` alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from segkit.analysis.comparison.compatibility import IGNORED
from segkit.analysis.comparison.format import coverage, format_interval, format_signed
from segkit.analysis.comparison.power_law import fit_power_law
from segkit.analysis.comparison.result import Candidate, Comparison, Interval
from segkit.analysis.report.format import whole
from segkit.analysis.report.tables import Table
from segkit.analysis.score_range import Range

FACTOR = 2
_LINE_POINTS = 40
_LOGARITHMIC = 0.1  # exponent below which the law's limit is far from all scores, and nothing is known of it
_OF_FRACTION = ("fraction", "fraction_seed", "range")  # of data; a measured range is that of the images
_BALANCED = ("class_weights", "pos_weight", "alpha")  # of losses, likewise


@dataclass(frozen=True)
class LearningCurve:
    """Scores over numbers of training images, if candidates differ in nothing else.

    Args:
        images: number of training images of each candidate, in the order of the ranking.
        law: a, b and c of the fitted score a - b n^-c; None if there are too few points.
        gain: score of twice the largest number of images minus that of this number, with its interval.
        line: numbers of images, up to twice the largest, with the fitted score and its interval.
        spread: difference between the highest and lowest mean score.
        has_limit: whether a is a possible score.
    """

    images: list[int]
    law: tuple[float, float, float] | None = None
    gain: Interval | None = None
    line: list[tuple[float, Interval]] = field(default_factory=list)
    spread: float = 0.0
    has_limit: bool = True

    def as_json(self) -> dict[str, Any]:
        """Law and gain; the scores are those of the ranking."""
        law = self.law and dict(zip("abc", self.law, strict=True))
        gain = self.gain and {
            "images": FACTOR * max(self.images),
            "difference": self.gain.mean,
            "low": self.gain.low,
            "high": self.gain.high,
        }
        return {"images": self.images, "law": law, "twice": gain}


def learning_curve(
    candidates: Sequence[Candidate],
    metric: str,
    score_range: Range,
    alpha: float,
    groups: Sequence[str] | None = None,
) -> LearningCurve | None:
    """The learning curve; None unless candidates have several numbers of images, and differ in nothing else.

    Args:
        candidates: candidates in the order of the ranking.
        metric: metric with a score per image.
        score_range: range of the metric.
        alpha: intervals cover 1 - alpha.
        groups: group of each scored image; by default each image is one of its own.
    """
    images = [candidate.summaries[0].images.get("train", 0) for candidate in candidates]
    recipes = [_without_fraction(candidate.recipe) for candidate in candidates]
    if len({*images}) < 2 or not all(images) or any(recipe != recipes[0] for recipe in recipes):
        return None
    fit = fit_power_law(images, [candidate.scores[metric] for candidate in candidates], groups)
    if fit is None:
        return LearningCurve(images)
    numbers = np.geomspace(min(images), FACTOR * max(images), _LINE_POINTS)
    lowest, highest = score_range
    now = fit.score(max(images), alpha).mean
    return LearningCurve(
        images,
        law=fit.law,
        gain=_possible(fit.gain(FACTOR, alpha), (lowest - now, highest - now)),
        line=[(float(number), _possible(fit.score(number, alpha), score_range)) for number in numbers],
        spread=float(np.ptp(fit.means)),
        has_limit=lowest <= fit.law[0] <= highest,
    )


def _possible(extrapolated: Interval, score_range: Range) -> Interval:
    """The interval and its value, which the law may put outside of the range, clipped to it."""
    lowest, highest = score_range
    return replace(extrapolated.within(score_range), mean=min(max(extrapolated.mean, lowest), highest))


def learning_curve_sentence(comparison: Comparison) -> str:
    """The power law and what twice the images would bring, or that it cannot be told; "" without a curve."""
    curve = comparison.learning_curve
    if curve is None:
        return ""
    numbers, largest = sorted({*curve.images}), max(curve.images)
    more = f"What {whole(FACTOR * largest)} training images, twice as many, would bring cannot be told"
    if curve.law is None or curve.gain is None:
        runs = sum(len(candidate.runs) for candidate in comparison.candidates)
        return (
            f"{more} from {runs} runs with {len(numbers)} numbers of training images: that takes at least "
            "three fractions, a fourth one or several seeds, and two scored images."
        )
    label, gain = comparison.label(comparison.metric), format_interval(curve.gain, format_signed)
    gain = f"{gain} ({coverage(comparison)} interval)"
    if curve.gain.high - curve.gain.low > curve.spread:
        return f"{more} from so few points: {label} {gain}. More fractions or several seeds narrow it."
    level, drop, exponent = curve.law
    sign = "-" if drop >= 0 else "+"
    law = f"{label} = {level:.4g} {sign} {abs(drop):.3g} / n^{exponent:.2g}"
    if exponent < _LOGARITHMIC:
        law = f"{label} changes by nearly the same with every doubling, and no limit can be told"
    elif not curve.has_limit:
        law += ", whose limit is no possible score"
    zero = "; it contains zero" if curve.gain.low <= 0 <= curve.gain.high else ""
    return (
        f"Learning curve over {whole(numbers[0])} to {whole(largest)} training images: {law}. If it goes on "
        f"like this, {whole(FACTOR * largest)} images, twice as many, would bring {gain}{zero}."
    )


def learning_curve_table(comparison: Comparison) -> Table | None:
    """Scores by number of training images, fewest first."""
    curve = comparison.learning_curve
    if curve is None:
        return None
    ranking = zip(curve.images, comparison.ranking, strict=True)
    rows = [
        [
            whole(images),
            format_interval(entry.metrics[comparison.metric]),
            whole(len(entry.candidate.seeds)),
            entry.candidate.name,
        ]
        for images, entry in sorted(ranking, key=lambda pair: pair[0])
    ]
    columns = ["Training images", comparison.label(comparison.metric), "Seeds", "Recipe"]
    return Table("Score by training images", columns, rows, [True, True, True, False])


def _without_fraction(recipe: Mapping[str, Any]) -> dict[str, Any]:
    losses = [
        {key: value for key, value in part.items() if key not in _BALANCED}
        if isinstance(part, Mapping)
        else part
        for part in recipe.get("loss") or ()
    ]
    data = {key: value for key, value in (recipe.get("data") or {}).items() if key not in _OF_FRACTION}
    rest = {key: value for key, value in recipe.items() if key not in IGNORED}
    return {**rest, "data": data, "loss": losses}

"""How a comparison is written: differences, probabilities, verdicts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from segkit.analysis.comparison.result import Comparison, Interval, PairwiseTest, Ranking
from segkit.analysis.report.format import NOTHING, number, whole


def signed(value: float) -> str:
    """``+0.0123``."""
    return f"+{number(value)}" if value > 0 else number(value)


def probability(p: float) -> str:
    """``0.003``, ``< 0.001``; a dash where undefined."""
    if not math.isfinite(p):
        return NOTHING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def probability_in(comparison: Comparison, pair: PairwiseTest) -> str:
    """``p = 0.003``, or ``adjusted p < 0.001`` where there are several pairs to correct for."""
    name = "adjusted p" if len(comparison.pairs) > 1 else "p"
    p = probability(pair.p_adjusted)
    if p == NOTHING:
        return f"{name} is not defined"
    return f"{name} {p}" if p.startswith("<") else f"{name} = {p}"


def with_ends(interval: Interval, text: Callable[[float], str] = number) -> str:
    """``0.8643 [0.8571, 0.8712]``; the mean alone where there is no interval."""
    mean = text(interval.mean)
    if not math.isfinite(interval.high - interval.low):
        return mean
    return f"{mean} [{text(interval.low)}, {text(interval.high)}]"


def difference(pair: PairwiseTest) -> str:
    """``+0.0359 [+0.0301, +0.0418]``."""
    return with_ends(Interval(pair.difference, pair.low, pair.high), signed)


def coverage(comparison: Comparison) -> str:
    """``95%``, of the intervals."""
    return f"{100 * (1 - comparison.alpha):g}%"


def headline(comparison: Comparison) -> str:
    """``4 recipes on 329 images``."""
    return f"{_count(len(comparison.ranking), 'recipe')} on {_count(len(comparison.images), 'image')}"


def better(pair: PairwiseTest) -> str | None:
    """The name of the one that is shown to be better, if one is."""
    return {"a is better": pair.a, "b is better": pair.b}.get(pair.verdict)


def verdict(pair: PairwiseTest) -> str:
    """With the better one's name."""
    name = better(pair)
    return f"{name} is better" if name else pair.verdict


def leading_places(comparison: Comparison) -> list[Ranking]:
    """Those that nobody is shown to be better than: between any two of them no difference is shown."""
    return [place for place in comparison.ranking if place.rank == 1] or comparison.ranking[:1]


def listed(names: Sequence[str], most: int = 5) -> str:
    """``a, b and c``; ``a, b, c, d, e and 3 more``."""
    shown = list(names) if len(names) <= most + 1 else [*names[:most], f"{len(names) - most} more"]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _count(number: int, thing: str) -> str:
    return f"{whole(number)} {thing}{'' if number == 1 else 's'}"

"""Text of differences, p-values and verdicts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from segkit.analysis.comparison.result import Comparison, Interval, PairwiseTest, Ranking
from segkit.analysis.report.format import NOTHING, OWN_SIZE, number, scored_size, whole


def format_signed(value: float) -> str:
    """``+0.0123``."""
    return f"+{number(value)}" if value > 0 else number(value)


def format_p(p: float) -> str:
    """``0.003``, ``< 0.001``; a dash if undefined."""
    if not math.isfinite(p):
        return NOTHING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def adjusted_p(pair: PairwiseTest) -> str:
    """``adjusted p = 0.003``, ``adjusted p < 0.001``."""
    p = format_p(pair.p_adjusted)
    if p == NOTHING:
        return "adjusted p is undefined"
    return f"adjusted p {p}" if p.startswith("<") else f"adjusted p = {p}"


def format_interval(interval: Interval, text: Callable[[float], str] = number) -> str:
    """``0.8643 [0.8571, 0.8712]``; only the mean if there is no interval."""
    mean = text(interval.mean)
    if not math.isfinite(interval.high - interval.low):
        return mean
    return f"{mean} [{text(interval.low)}, {text(interval.high)}]"


def format_difference(pair: PairwiseTest) -> str:
    """``+0.0359 [+0.0301, +0.0418]``."""
    return format_interval(Interval(pair.difference, pair.low, pair.high), format_signed)


def wins_ties_losses(pair: PairwiseTest) -> str:
    """``250 wins, 4 ties, 1 loss``."""
    counts = (_count(pair.wins, "win"), _count(pair.ties, "tie"), _count(pair.losses, "loss", "losses"))
    return ", ".join(counts)


def coverage(comparison: Comparison) -> str:
    """Coverage of the intervals: ``95%``."""
    return f"{100 * (1 - comparison.alpha):g}%"


def headline(comparison: Comparison) -> str:
    """``4 recipes on 329 images of 128 x 128 pixels``."""
    sizes = scored_sizes(comparison)
    images = _count(len(comparison.images), "image")
    return f"{_count(len(comparison.ranking), 'recipe')} on {images}{sizes and f' of {sizes}'}"


def scored_sizes(comparison: Comparison) -> str:
    """Size of the scored images in words, or several; empty if unknown."""
    data = [candidate.recipe.get("data") or {} for candidate in comparison.candidates]
    known = [OWN_SIZE] if comparison.native else [size for section in data if (size := scored_size(section))]
    return " or ".join(dict.fromkeys(known))


def better(pair: PairwiseTest) -> str | None:
    """Name of the significantly better candidate, or None."""
    return {"a is better": pair.a, "b is better": pair.b}.get(pair.verdict)


def verdict(pair: PairwiseTest) -> str:
    """``unet is better``, ``no significant difference``."""
    name = better(pair)
    return f"{name} is better" if name else "no significant difference"


def leaders(comparison: Comparison) -> list[Ranking]:
    """Candidates of rank 1: not significantly worse than any other."""
    return [ranking for ranking in comparison.ranking if ranking.rank == 1] or comparison.ranking[:1]


def join_names(names: Sequence[str], most: int = 5) -> str:
    """``a, b and c``; ``a, b, c, d, e and 3 more``."""
    shown = list(names) if len(names) <= most + 1 else [*names[:most], f"{len(names) - most} more"]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _count(number: int, singular: str, plural: str = "") -> str:
    return f"{whole(number)} {singular if number == 1 else plural or f'{singular}s'}"

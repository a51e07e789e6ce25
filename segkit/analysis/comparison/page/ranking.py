"""Rows of the page's tables of the ranking and the pairs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from segkit.analysis.comparison.costs import COSTS, Cost
from segkit.analysis.comparison.format import format_p, format_signed, verdict
from segkit.analysis.comparison.result import Comparison, Interval, Ranking
from segkit.analysis.report.format import interval_text, number, whole

SHOWN_METRICS = ("miou", "dice")  # shown by default beside the ranking metric
MARGIN = 0.04  # of the interval plot, on both sides


@dataclass(frozen=True)
class Column:
    """A column of the ranking."""

    key: str  # unique
    label: str
    group: str = ""  # in the menu of columns; empty if always shown
    shown: bool = True  # by default
    first: str = "ascending"  # sort order of the first click
    numeric: bool = True


@dataclass(frozen=True)
class Cell:
    """A table cell: text, sort key (None if unknown), and a small note below."""

    text: str
    value: float | str | None
    note: str = ""


@dataclass(frozen=True)
class Row:
    """A candidate in the ranking, with one cell per column."""

    cells: list[Cell]
    whisker: tuple[float | None, float | None, float | None]  # low, mean, high in percent of the plot's width
    rank: int
    shares: bool  # its rank with any other row
    follows: bool  # a row of the same rank


def ranking_columns(comparison: Comparison) -> list[Column]:
    """Rank, name, metrics, costs, seeds."""
    shown = {comparison.metric, *SHOWN_METRICS}
    order = dict.fromkeys(comparison.metrics, "descending")
    if not comparison.higher_is_better:
        order[comparison.metric] = "ascending"
    return [
        Column("rank", "Rank"),
        Column("name", "Recipe", numeric=False),
        *(
            Column(f"metric {name}", comparison.label(name), "Scores", name in shown, order[name])
            for name in comparison.metrics
        ),
        *(_cost_column(cost, comparison) for cost in COSTS),
        Column("seeds", "Seeds", "Runs", shown=True, first="descending"),
    ]


def ranking_rows(comparison: Comparison) -> list[Row]:
    """One row per candidate, best first."""
    ranks = [ranking.rank for ranking in comparison.ranking]
    low, high = interval_scale(comparison)

    def percent(value: float) -> float | None:
        return round(100 * (value - low) / (high - low), 2) if math.isfinite(value) else None

    rows = []
    for position, ranking in enumerate(comparison.ranking):
        interval = ranking.metrics[comparison.metric]
        rows.append(
            Row(
                _cells(ranking, comparison.metrics),
                (percent(interval.low), percent(interval.mean), percent(interval.high)),
                ranking.rank,
                shares=ranks.count(ranking.rank) > 1,
                follows=position > 0 and ranks[position - 1] == ranking.rank,
            )
        )
    return rows


def interval_scale(comparison: Comparison) -> tuple[float, float]:
    """Limits of the interval plots, the same for all rows."""
    intervals = [ranking.metrics[comparison.metric] for ranking in comparison.ranking]
    values = [value for i in intervals for value in (i.low, i.mean, i.high) if math.isfinite(value)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = MARGIN * (high - low) or 0.5
    return low - margin, high + margin


def pair_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """One row per pair, in the comparison's order."""
    positions = {candidate.name: position for position, candidate in enumerate(comparison.candidates)}
    return [
        {
            "number": index,
            "a": pair.a,
            "b": pair.b,
            "positions": (positions[pair.a], positions[pair.b]),
            "difference": format_signed(pair.difference),
            "interval": interval_text(pair.low, pair.high, format_signed),
            "p": format_p(pair.p),
            "p_adjusted": format_p(pair.p_adjusted),
            "record": f"{whole(pair.wins)} / {whole(pair.ties)} / {whole(pair.losses)}",
            "verdict": verdict(pair),
            "significant": pair.verdict != "no difference shown",
        }
        for index, pair in enumerate(comparison.pairs)
    ]


def _cost_column(cost: Cost, comparison: Comparison) -> Column:
    known = any(getattr(candidate.costs, cost.key) is not None for candidate in comparison.candidates)
    first = "ascending" if cost.unit else "descending"
    return Column(f"cost {cost.key}", cost.label, "Costs", cost.shown and known, first)


def _cells(ranking: Ranking, metrics: list[str]) -> list[Cell]:
    candidate = ranking.candidate
    costs = [(cost, getattr(candidate.costs, cost.key)) for cost in COSTS]
    return [
        Cell(str(ranking.rank), ranking.rank),
        Cell(candidate.name, candidate.name),
        *(_score(ranking.metrics[name]) for name in metrics),
        *(Cell(cost.text(value), value) for cost, value in costs),
        Cell(str(len(candidate.seeds)), len(candidate.seeds), _seeds(candidate.seeds)),
    ]


def _score(interval: Interval) -> Cell:
    defined = math.isfinite(interval.mean)
    note = interval_text(interval.low, interval.high)
    return Cell(number(interval.mean), interval.mean if defined else None, note)


def _seeds(seeds: tuple[int, ...], most: int = 5) -> str:
    more = ", \N{HORIZONTAL ELLIPSIS}" if len(seeds) > most else ""
    return ", ".join(map(str, seeds[:most])) + more

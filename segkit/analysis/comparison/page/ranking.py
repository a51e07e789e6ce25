"""The page's two tables of findings: the ranking, and its pairs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from segkit.analysis.comparison.cost_types import COSTS, Cost
from segkit.analysis.comparison.format import probability, signed, verdict
from segkit.analysis.comparison.result import Comparison, Interval, Ranking
from segkit.analysis.report.format import metric_name, number, whole

SHOWN_METRICS = ("dice",)  # beside the one that ranks; the others are behind the choice of columns
MARGIN = 0.04  # of the interval plot, on both sides


@dataclass(frozen=True)
class Column:
    """A column of the ranking.

    Args:
        key: unlike that of any other column.
        label: its heading.
        group: where the choice of columns lists it; nothing if it always stays.
        shown: whether it is there before anybody asks.
        first: the order that the first click sorts by.
        numeric: whether it holds numbers.
    """

    key: str
    label: str
    group: str = ""
    shown: bool = True
    first: str = "ascending"
    numeric: bool = True


@dataclass(frozen=True)
class Cell:
    """What stands in a column.

    Args:
        text: for the reader.
        value: to sort by; None where nothing is known.
        note: below the text, small.
    """

    text: str
    value: float | str | None
    note: str = ""


@dataclass(frozen=True)
class Row:
    """An entrant in the ranking.

    Args:
        cells: one per column.
        whisker: low, mean and high in percent of the interval plot's width; None where undefined.
        rank: its own.
        shares: whether others have that rank too.
        follows: whether the row above does.
    """

    cells: list[Cell]
    whisker: tuple[float | None, float | None, float | None]
    rank: int
    shares: bool
    follows: bool


def ranking_columns(comparison: Comparison) -> list[Column]:
    """Rank, name, seeds, metrics, costs."""
    shown = {comparison.metric, *SHOWN_METRICS}
    descending = dict.fromkeys(comparison.metrics, "descending")
    if not comparison.higher_is_better:
        descending[comparison.metric] = "ascending"
    return [
        Column("rank", "Rank"),
        Column("name", "Recipe", numeric=False),
        *(
            Column(f"metric {name}", metric_name(name), "Scores", name in shown, descending[name])
            for name in comparison.metrics
        ),
        *(_cost_column(cost, comparison) for cost in COSTS),
        Column("seeds", "Seeds", "Runs", shown=True, first="descending"),
    ]


def ranking_rows(comparison: Comparison) -> list[Row]:
    """One row per entrant, best first."""
    ranks = [place.rank for place in comparison.ranking]
    low, high = interval_scale(comparison)

    def percent(value: float) -> float | None:
        return round(100 * (value - low) / (high - low), 2) if math.isfinite(value) else None

    rows = []
    for position, place in enumerate(comparison.ranking):
        interval = place.metrics[comparison.metric]
        rows.append(
            Row(
                _cells(place, comparison.metrics),
                (percent(interval.low), percent(interval.mean), percent(interval.high)),
                place.rank,
                shares=ranks.count(place.rank) > 1,
                follows=position > 0 and ranks[position - 1] == place.rank,
            )
        )
    return rows


def interval_scale(comparison: Comparison) -> tuple[float, float]:
    """Where the interval plots begin and end, the same for all rows."""
    intervals = [place.metrics[comparison.metric] for place in comparison.ranking]
    ends = [end for one in intervals for end in (one.low, one.mean, one.high) if math.isfinite(end)]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    margin = MARGIN * (high - low) or 0.5
    return low - margin, high + margin


def pair_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """One row per pair, in the comparison's order."""
    positions = {entrant.name: position for position, entrant in enumerate(comparison.entrants)}
    return [
        {
            "number": number_,
            "a": pair.a,
            "b": pair.b,
            "positions": (positions[pair.a], positions[pair.b]),
            "difference": signed(pair.difference),
            "interval": _ends(Interval(pair.difference, pair.low, pair.high), signed),
            "p": probability(pair.p),
            "p_adjusted": probability(pair.p_adjusted),
            "record": f"{whole(pair.wins)} / {whole(pair.ties)} / {whole(pair.losses)}",
            "verdict": verdict(pair),
            "shown": pair.verdict != "no difference shown",
        }
        for number_, pair in enumerate(comparison.pairs)
    ]


def _cost_column(cost: Cost, comparison: Comparison) -> Column:
    known = any(getattr(entrant.costs, cost.key) is not None for entrant in comparison.entrants)
    first = "ascending" if cost.unit else "descending"
    return Column(f"cost {cost.key}", cost.label, "Costs", cost.shown and known, first)


def _cells(place: Ranking, metrics: list[str]) -> list[Cell]:
    entrant = place.entrant
    return [
        Cell(str(place.rank), place.rank),
        Cell(entrant.name, entrant.name),
        *(_score(place.metrics[name]) for name in metrics),
        *(Cell(cost.text(value), value) for cost in COSTS for value in [getattr(entrant.costs, cost.key)]),
        Cell(str(len(entrant.seeds)), len(entrant.seeds), _listed(entrant.seeds)),
    ]


def _score(interval: Interval) -> Cell:
    defined = math.isfinite(interval.mean)
    return Cell(number(interval.mean), interval.mean if defined else None, _ends(interval))


def _ends(interval: Interval, text: Callable[[float], str] = number) -> str:
    known = math.isfinite(interval.high - interval.low)
    return f"{text(interval.low)} to {text(interval.high)}" if known else ""


def _listed(seeds: tuple[int, ...], most: int = 5) -> str:
    more = ", \N{HORIZONTAL ELLIPSIS}" if len(seeds) > most else ""
    return ", ".join(map(str, seeds[:most])) + more

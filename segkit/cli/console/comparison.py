"""A comparison, told on standard output."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.table import Table

from segkit.cli.console.format import print_warnings
from segkit.cli.console.stream import Screen, clean

if TYPE_CHECKING:
    from segkit.analysis.comparison.result import Comparison, PairwiseTest

# What comes with the words of a report takes a second to import: only this verb waits for it.

MAX_IN_PAIRS = 6  # entrants
NARROW = 20  # columns that names may be folded to
COSTS = ("parameters", "macs", "latency_ms", "train_seconds")
LEFT_OUT_FIRST = ("training time", "latency", "macs", "dice", "parameters")


@dataclass(frozen=True)
class _Column:
    title: str
    cells: list[str]
    name: bool = False

    @property
    def width(self) -> int:
        widest = max(map(cell_len, (self.title, *self.cells)))
        return min(widest, NARROW) if self.name else widest


def print_comparison(comparison: Comparison, files: Sequence[Path]) -> None:
    """Print the ranking, what it shows, what the reader should know, and where more is written.

    Args:
        comparison: what was found.
        files: that were written.
    """
    from segkit.analysis.comparison.findings import analyse

    screen = Screen(sys.stdout)
    _print_ranking(screen, comparison)
    screen.line()
    *findings, limits = analyse(comparison)
    for number, sentence in enumerate([*findings[: min(len(comparison.ranking), 3)], limits]):
        screen.prose(_plain(sentence), "" if number else "bold", hang=2)
    if 2 < len(comparison.ranking) <= MAX_IN_PAIRS:
        screen.line()
        for pair in comparison.pairs:
            screen.prose(_plain(_in_words(comparison, pair)), hang=2)
    if comparison.warnings:
        screen.line()
        print_warnings(screen, comparison.warnings)
    if files:
        screen.line()
        screen.facts({file.name: str(file) for file in files})


def _print_ranking(screen: Screen, comparison: Comparison) -> None:
    columns, gap, left_out = list(_columns(comparison)), 2, []
    if _width(columns, gap) > screen.width:
        gap = 1
    for title in LEFT_OUT_FIRST:
        kept = [column for column in columns if column.title != title]
        if _width(columns, gap) > screen.width and len(kept) < len(columns):
            columns = kept
            left_out.append(title)
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(
            clean(column.title),
            justify="left" if column.name else "right",
            no_wrap=not column.name,
            overflow="fold",
        )
    for place, *cells in zip(comparison.ranking, *(column.cells for column in columns), strict=True):
        table.add_row(*cells, style="green" if place.rank == 1 and comparison.pairs else "")
    if left_out:
        screen.prose(f"no room for {', '.join(left_out)}: see the files", "dim")
    screen.table(table)


def _columns(comparison: Comparison) -> Iterator[_Column]:
    """What there is room for on a wide screen."""
    from segkit.analysis.comparison.cost_types import COSTS as ALL_COSTS
    from segkit.analysis.comparison.format import with_ends
    from segkit.analysis.report.format import number

    metric, ranking = comparison.metric, comparison.ranking
    yield _Column("rank", [str(place.rank) for place in ranking])
    yield _Column("recipe", [clean(place.entrant.name) for place in ranking], name=True)
    yield _Column(metric, [_plain(with_ends(place.metrics[metric])) for place in ranking])
    if metric != "dice" and "dice" in comparison.metrics:
        yield _Column("dice", [_plain(number(place.metrics["dice"].mean)) for place in ranking])
    labels = {cost.key: cost for cost in ALL_COSTS}
    for cost in (labels[key] for key in COSTS):
        values = [getattr(place.entrant.costs, cost.key) for place in ranking]
        if any(values):
            yield _Column(cost.label.lower(), [_plain(cost.text(value)) for value in values])


def _width(columns: Sequence[_Column], gap: int) -> int:
    return sum(column.width + gap for column in columns) - gap


def _in_words(comparison: Comparison, pair: PairwiseTest) -> str:
    from segkit.analysis.comparison.format import difference, probability_in, verdict

    return (
        f"{pair.a} - {pair.b}: {verdict(pair)}, {difference(pair)}, {probability_in(comparison, pair)}, "
        f"better on {pair.wins:,}, same on {pair.ties:,}, worse on {pair.losses:,}"
    )


def _plain(text: str) -> str:
    """Numbers as every terminal and every grep knows them."""
    return re.sub(r"\N{MINUS SIGN}(?=\d)", "-", "-" if text == "\N{EN DASH}" else text)

"""Comparison on standard output."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.table import Table

from segkit.cli.console.format import plain_table, print_warnings
from segkit.cli.console.stream import Screen, clean

if TYPE_CHECKING:
    from segkit.analysis.comparison.result import Comparison

# `segkit.analysis.comparison` takes a second to import, so it is imported in the functions that use it.

MAX_IN_PAIRS = 6  # candidates for which all pairs are printed
MAX_CLASSES, MAX_IN_CLASSES = 10, 4  # classes, and candidates beside them
MIN_NAME_WIDTH = 20  # columns to which long names are folded
COSTS = ("parameters", "macs", "latency_ms", "train_seconds")
OPTIONAL_COLUMNS = ("training time", "latency", "macs", "dice", "miou", "parameters")  # dropped first to last


@dataclass(frozen=True)
class _Column:
    title: str
    cells: list[str]
    name: bool = False

    @property
    def width(self) -> int:
        widest = max(map(cell_len, (self.title, *self.cells)))
        return min(widest, MIN_NAME_WIDTH) if self.name else widest


def print_comparison(comparison: Comparison, files: Sequence[Path], paper: Path | None = None) -> None:
    """Print the ranking, findings, warnings and the paths of the written files, and the folder of a paper."""
    from segkit.analysis.comparison.findings import analyse
    from segkit.analysis.comparison.format import adjusted_p, format_difference, verdict, wins_ties_losses

    screen = Screen(sys.stdout)
    _print_ranking(screen, comparison)
    screen.line()
    _print_classes(screen, comparison)
    *findings, limits = analyse(comparison)
    for number, sentence in enumerate([*findings[: min(len(comparison.ranking), 3)], limits]):
        screen.prose(_ascii(sentence), "" if number else "bold", hang=2)
    if 2 < len(comparison.ranking) <= MAX_IN_PAIRS:
        screen.line()
        for pair in comparison.pairs:
            facts = (verdict(pair), format_difference(pair), adjusted_p(pair), wins_ties_losses(pair))
            screen.prose(_ascii(f"{pair.a} - {pair.b}: {', '.join(facts)}"), hang=2)
    if comparison.warnings:
        screen.line()
        print_warnings(screen, comparison.warnings)
    if files:
        screen.line()
        of_paper = {"paper": str(paper)} if paper else {}
        screen.facts({file.name: str(file) for file in files} | of_paper)


def _print_ranking(screen: Screen, comparison: Comparison) -> None:
    columns, gap, dropped = list(_columns(comparison)), 2, []
    if _width(columns, gap) > screen.width:
        gap = 1
    for title in OPTIONAL_COLUMNS:
        remaining = [column for column in columns if column.title != title]
        if _width(columns, gap) > screen.width and len(remaining) < len(columns):
            columns = remaining
            dropped.append(title)
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(
            clean(column.title),
            justify="left" if column.name else "right",
            no_wrap=not column.name,
            overflow="fold",
        )
    for ranking, *cells in zip(comparison.ranking, *(column.cells for column in columns), strict=True):
        table.add_row(*cells, style="green" if ranking.rank == 1 and comparison.pairs else "")
    if dropped:
        screen.prose(f"terminal too narrow for {', '.join(dropped)}: see the files", "dim")
    screen.table(table)


def _columns(comparison: Comparison) -> Iterator[_Column]:
    from segkit.analysis.comparison.costs import COSTS as ALL_COSTS
    from segkit.analysis.comparison.format import format_interval
    from segkit.analysis.report.format import number, with_details

    metric, ranking = comparison.metric, comparison.ranking
    yield _Column("rank", [str(entry.rank) for entry in ranking])
    yield _Column("recipe", [clean(entry.candidate.name) for entry in ranking], name=True)
    title = with_details(metric, metric, comparison.details)
    yield _Column(title, [_ascii(format_interval(entry.metrics[metric])) for entry in ranking])
    for other in ("miou", "dice"):
        if other != metric and other in comparison.metrics:
            yield _Column(other, [_ascii(number(entry.metrics[other].mean)) for entry in ranking])
    for cost in (cost for cost in ALL_COSTS if cost.key in COSTS):
        values = [getattr(entry.candidate.costs, cost.key) for entry in ranking]
        if any(values):
            yield _Column(cost.label.lower(), [_ascii(cost.text(value)) for value in values])


def _print_classes(screen: Screen, comparison: Comparison) -> None:
    """IoU of the classes with the largest differences, or the lowest IoU."""
    from segkit.analysis.comparison.format import format_interval, format_signed
    from segkit.analysis.report.format import number

    classes = comparison.classes
    if classes is None:
        return
    first, pair = classes.means[0], classes.differences[0] if len(classes.means) == 2 else None

    def order(name: str) -> float:
        value = -abs(pair[name].interval.mean) if pair else first[name].interval.mean
        return math.inf if math.isnan(value) else value

    shown = classes.names
    if len(shown) > MAX_CLASSES:
        shown = sorted(shown, key=order)[:MAX_CLASSES]
    table = plain_table()
    table.add_column("IoU of the class", overflow="fold", style="cyan")
    columns = [*zip(comparison.candidates, classes.means, strict=True)][:MAX_IN_CLASSES]
    for candidate, _ in columns:
        table.add_column(clean(candidate.name), justify="right", overflow="fold")
    if pair:
        table.add_column("difference", justify="right", no_wrap=True)
    for name in shown:
        cells = [number(means[name].interval.mean) for _, means in columns]
        cells += [format_interval(pair[name].interval, format_signed)] if pair else []
        table.add_row(clean(name), *map(_ascii, cells))
    screen.table(table)
    if len(shown) < len(classes.names):
        which = "largest differences" if pair else "lowest IoU"
        screen.prose(
            f"the {len(shown)} of {len(classes.names)} classes with the {which}: see the files", "dim"
        )
    screen.line()


def _width(columns: Sequence[_Column], gap: int) -> int:
    return sum(column.width + gap for column in columns) - gap


def _ascii(text: str) -> str:
    """With ASCII minus signs and dashes, which every terminal shows and grep finds."""
    return re.sub(r"\N{MINUS SIGN}(?=\d)", "-", "-" if text == "\N{EN DASH}" else text)

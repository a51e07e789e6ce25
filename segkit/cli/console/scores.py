"""What runs score, told on standard output."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from segkit.analysis.report.format import duration
from segkit.cli.console.format import figure, print_warnings
from segkit.cli.console.stream import Screen, clean

if TYPE_CHECKING:
    from segkit.analysis.comparison.result import Interval
    from segkit.inference.evaluation.evaluation import Evaluation

WORST = 5


def print_evaluation(evaluation: Evaluation, page: Path | None) -> None:
    """Print what was scored, the scores with their intervals, the worst images, and what to beware of.

    Args:
        evaluation: what was found.
        page: that was written, if one was.
    """
    screen = Screen(sys.stdout)
    for run in evaluation.runs:
        screen.line(str(run.path), "bold")
    screen.line(
        f"scores on {evaluation.images}, {evaluation.describe_options()} ({duration(evaluation.seconds)})"
    )
    screen.line()
    screen.table(_table(evaluation))
    screen.line()
    _print_worst(screen, evaluation)
    print_warnings(screen, evaluation.warnings)
    if page:
        screen.facts({"report": str(page)})


def with_interval(interval: Interval) -> str:
    """``0.6788  (0.6612 to 0.6951)``; the score alone where there is no interval."""
    if math.isnan(interval.high - interval.low):
        return figure(interval.mean)
    return f"{figure(interval.mean)}  ({figure(interval.low)} to {figure(interval.high)})"


def _table(evaluation: Evaluation) -> Table:
    from segkit.inference.evaluation.evaluation import run_name

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("metric", no_wrap=True, style="cyan")
    table.add_column("all together" if evaluation.members else "score (95% interval)", no_wrap=True)
    beside: dict[str, Mapping[str, float | None]] = {
        clean(run_name(run)): one.metrics
        for run, one in zip(evaluation.runs, evaluation.members, strict=False)
    }
    if not beside:
        beside = {"the run reports": evaluation.runs[0].read_summary().scores.metrics}
    for title in beside:
        table.add_column(title, justify="right", overflow="fold")
    for name, interval in evaluation.intervals.items():
        others = (scores.get(name) for scores in beside.values())
        table.add_row(
            clean(name), with_interval(interval), *("-" if one is None else figure(one) for one in others)
        )
    return table


def _print_worst(screen: Screen, evaluation: Evaluation) -> None:
    metric, names = evaluation.first_metric, evaluation.names
    scores = evaluation.scores.per_image[metric]
    screen.line(f"worst by {metric}", "bold")
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, justify="right")
    table.add_column(overflow="fold")
    for index in evaluation.worst(WORST):
        table.add_row(f"  {figure(scores[index])}", clean(names[index]))
    screen.table(table)

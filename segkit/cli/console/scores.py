"""Results of `segkit evaluate`."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from segkit.analysis.report.format import duration, image_label, with_details
from segkit.cli.console.class_scores import print_class_scores
from segkit.cli.console.format import format_number, format_scores, plain_table, print_warnings
from segkit.cli.console.stream import Screen, clean

if TYPE_CHECKING:
    from segkit.analysis.comparison.result import Interval
    from segkit.inference.evaluation.evaluation import Evaluation

WORST = 5  # images


def print_evaluation(evaluation: Evaluation, page: Path | None) -> None:
    """Print scores with their intervals, the worst images and warnings.

    Args:
        evaluation: results.
        page: HTML page that was written, if any.
    """
    screen = Screen(sys.stdout)
    for folder in evaluation.folders:
        screen.line(str(folder), "bold")
    screen.line(
        f"scores on {evaluation.images}, {evaluation.describe_options()} ({duration(evaluation.seconds)})"
    )
    screen.line()
    screen.table(_table(evaluation))
    if evaluation.groups:
        screen.line(f"the intervals are over {evaluation.groups:,} groups of images", "dim")
    if evaluation.few_images_note:
        screen.line(evaluation.few_images_note, "dim")
    if evaluation.reported and evaluation.reported.others:
        scores = format_scores(evaluation.reported.others, evaluation.reported.details)
        screen.prose(f"the run reports {scores} on {evaluation.reported.scored}", hang=2)
    screen.line()
    if (classes := evaluation.scores.classes) and len(classes.task.classes) > 1:
        print_class_scores(screen, classes.per_class, "--json")
        screen.line()
    _print_worst(screen, evaluation)
    print_warnings(screen, evaluation.warnings)
    if page:
        screen.facts({"report": str(page)})


def with_interval(interval: Interval) -> str:
    """``0.6788  (0.6612 to 0.6951)``; only the score if there is no interval."""
    if math.isnan(interval.high - interval.low):
        return format_number(interval.mean)
    mean, low, high = map(format_number, (interval.mean, interval.low, interval.high))
    return f"{mean}  ({low} to {high})"


def _table(evaluation: Evaluation) -> Table:
    from segkit.inference.evaluation.evaluation import run_name

    table = plain_table()
    table.add_column("metric", no_wrap=True, style="cyan")
    table.add_column("ensemble" if evaluation.members else "score (95% interval)", no_wrap=True)
    columns: dict[str, Mapping[str, float | None]] = {
        clean(run_name(run)): member.metrics
        for run, member in zip(evaluation.runs, evaluation.members, strict=False)
    }
    if evaluation.reported and evaluation.reported.comparable:
        columns = {"the run reports": evaluation.reported.comparable}
    for title in columns:
        table.add_column(title, justify="right", overflow="fold")
    for name, interval in evaluation.intervals.items():
        values = (scores.get(name) for scores in columns.values())
        cells = ("-" if value is None else format_number(value) for value in values)
        table.add_row(clean(with_details(name, name, evaluation.details)), with_interval(interval), *cells)
    return table


def _print_worst(screen: Screen, evaluation: Evaluation) -> None:
    metric, names, worst = evaluation.first_metric, evaluation.names, evaluation.worst(WORST)
    if not worst:
        return
    scores = evaluation.scores.per_image[metric]
    label = with_details(metric, metric, evaluation.details)
    label = image_label(label, is_mean=evaluation.is_mean(metric))
    screen.line(evaluation.worst_caption(WORST, label), "bold")
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, justify="right")
    table.add_column(overflow="fold")
    for index in worst:
        table.add_row(f"  {format_number(scores[index])}", clean(names[index]))
    screen.table(table)

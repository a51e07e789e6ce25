"""Results of `segkit cv`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.cli.console.class_scores import print_class_scores
from segkit.cli.console.format import format_number, plain_table, print_warnings
from segkit.cli.console.scores import with_interval
from segkit.cli.console.stream import Screen, clean

if TYPE_CHECKING:
    from segkit.runs.cv_schema import CvRecord


def print_cross_validation(record: CvRecord, page: Path) -> None:
    """Print the scores of all images, how those of the folds lie about them, classes and warnings.

    Args:
        record: results.
        page: HTML page that was written.
    """
    from segkit.analysis.comparison.result import Interval
    from segkit.analysis.cross_validation.page import lead
    from segkit.analysis.report.format import with_details
    from segkit.core.paths import quoted

    screen = Screen(sys.stdout)
    screen.line(record.recipe, "bold")
    screen.prose(lead(record))
    screen.line()
    table = plain_table()
    table.add_column("metric", no_wrap=True, style="cyan")
    table.add_column("all images (95% interval)", no_wrap=True)
    for title in ("SD of folds", "folds"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, pooled in record.pooled.metrics.items():
        spread = record.spread[name]
        interval = Interval(*map(_number, (pooled.mean, pooled.low, pooled.high)))
        sd, lowest, highest = (format_number(_number(value)) for value in vars(spread).values())
        label = clean(with_details(name, name, record.metric_details))
        table.add_row(label, with_interval(interval), sd, f"{lowest} to {highest}")
    screen.table(table)
    screen.line()
    if len(record.classes) > 1:
        print_class_scores(screen, record.seeds[0].per_class, "cv.json")
        screen.line()
    print_warnings(screen, record.warnings)
    screen.facts({"page": str(page), "as one model": f"segkit predict {quoted(page.parent)} ..."})


def _number(value: float | None) -> float:
    return float("nan") if value is None else value

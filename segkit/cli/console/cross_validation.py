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


def print_cross_validation(record: CvRecord, page: Path, paper: Path | None = None) -> None:
    """Print the scores of all images, how those of the folds lie about them, classes and warnings.

    Args:
        record: results.
        page: HTML page that was written.
        paper: folder of the files for a paper, if they were written.
    """
    from segkit.analysis.comparison.result import Interval
    from segkit.analysis.cross_validation.page import lead
    from segkit.analysis.report.format import few_images_note, with_details
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
    cleaned = record.postprocessed
    if cleaned:
        table.add_column("post-processed (95% interval)", no_wrap=True)
    for name, pooled in record.pooled.metrics.items():
        spread = record.spread[name]
        scores = [pooled, cleaned.metrics[name]] if cleaned else [pooled]
        limits = [Interval(*map(_number, (each.mean, each.low, each.high))) for each in scores]
        interval, *others = map(with_interval, limits)
        sd, lowest, highest = (format_number(_number(value)) for value in vars(spread).values())
        label = clean(with_details(name, name, record.metric_details))
        table.add_row(label, interval, sd, f"{lowest} to {highest}", *others)
    screen.table(table)
    if note := few_images_note(record.images, record.groups):
        screen.line(note, "dim")
    screen.line()
    if len(record.classes) > 1:
        print_class_scores(screen, record.seeds[0].per_class, "cv.json")
        screen.line()
    print_warnings(screen, record.warnings)
    screen.facts(
        {
            **_postprocess(record),
            "page": str(page),
            **({"paper": str(paper)} if paper else {}),
            "as one model": f"segkit predict {quoted(page.parent)} ...",
        }
    )


def _postprocess(record: CvRecord) -> dict[str, str]:
    """The steps, and the gain of the best ones for each class."""
    from segkit.analysis.comparison.result import Interval

    settings, choice = record.postprocess, record.postprocess_choice
    facts = {"post-processing": clean(settings.in_words())} if settings else {}
    if not choice:
        return facts
    if not settings:
        few = all(each.low is None for each in choice.choices)
        facts["post-processing"] = f"none: {'too few images or groups' if few else 'no gain is shown'}"
    for each in choice.choices:
        gain = Interval(*map(_number, (each.gain, each.low, each.high)))
        of = f" of {', '.join(each.classes)}" if len(choice.choices) > 1 else ""
        name = clean(f"{choice.metric} gain{of}")
        applied = "" if each.chosen else ", not applied"
        facts[name] = f"{with_interval(gain)} with {clean(each.settings.in_words())}{applied}"
    return facts


def _number(value: float | None) -> float:
    return float("nan") if value is None else value

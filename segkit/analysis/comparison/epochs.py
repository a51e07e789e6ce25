"""All entrants side by side, epoch by epoch."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from segkit.analysis.comparison.result import Candidate, Comparison
from segkit.analysis.report.format import metric_name, number, whole
from segkit.analysis.report.tables import Table

MAX_WITH_DICE, MAX_WITH_LOSSES = 3, 2  # entrants; more columns than that nobody reads
LOSSES = {"train_loss": "Training loss", "val_loss": "Validation loss"}

Curve = dict[int, float]


def epoch_table(comparison: Comparison) -> Table:
    """One row per epoch; of everything shown a column per entrant, then what was published.

    Values are means over seeds, with a dash where a run has ended before or a value is undefined.
    """
    shown = list(_shown(comparison))
    columns = [column for key in shown for column in _columns(comparison, key)]
    told = {line["epoch"] for entrant in comparison.entrants for lines in entrant.epochs for line in lines}
    rows = [[whole(epoch), *(number(curve.get(epoch)) for _, curve in columns)] for epoch in sorted(told)]
    caption = "Scores and losses of every epoch" if set(shown) & set(LOSSES) else "Scores of every epoch"
    return Table(caption, ["Epoch", *(title for title, _ in columns)], rows, [True] * (len(columns) + 1))


def mean_curve(entrant: Candidate, key: str) -> Curve:
    """The mean over seeds by epoch, of those epochs in which every seed has a value.

    Args:
        entrant: who.
        key: a metric, or `train_loss` or `val_loss`.
    """
    first, *others = (points(lines, key) for lines in entrant.epochs)
    shared = [epoch for epoch in first if all(epoch in curve for curve in others)]
    return {epoch: statistics.fmean(curve[epoch] for curve in (first, *others)) for epoch in shared}


def points(lines: Iterable[Mapping[str, Any]], key: str) -> Curve:
    """The values of one run, or published ones, by epoch; undefined ones are left out."""
    return {
        line["epoch"]: line[key]
        for line in lines
        if line.get("epoch") is not None and line.get(key) is not None
    }


def _shown(comparison: Comparison) -> Iterator[str]:
    count = len(comparison.ranking)
    yield comparison.metric
    if count <= MAX_WITH_DICE and comparison.metric != "dice":
        yield "dice"
    if count <= MAX_WITH_LOSSES:
        yield from LOSSES


def _columns(comparison: Comparison, key: str) -> list[tuple[str, Curve]]:
    """Title and values; none of what nobody has, and numbers that several refer to only once."""
    label = LOSSES.get(key) or metric_name(key)
    columns = [(f"{label}, {entrant.name}", mean_curve(entrant, key)) for entrant in comparison.entrants]
    for published in (entrant.published for entrant in comparison.entrants if entrant.published):
        column = (f"{label}, {published.source or 'published'}", points(published.epochs, key))
        if column[1] and column not in columns:
            columns.append(column)
    return columns if any(curve for _, curve in columns) else []

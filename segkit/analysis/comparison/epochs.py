"""Scores and losses of all candidates by epoch."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from segkit.analysis.comparison.result import Comparison
from segkit.analysis.report.format import number, whole
from segkit.analysis.report.tables import Table
from segkit.utils.listing import counted

# Candidates up to which the table has room for the columns of Dice and of the losses.
MAX_WITH_DICE, MAX_WITH_LOSSES = 3, 2
LOSSES = {"train_loss": "Training loss", "val_loss": "Validation loss"}

Curve = dict[int, float]


def epoch_table(comparison: Comparison) -> Table:
    """One row per epoch; for each score or loss, columns of the candidates and of published numbers.

    Values are means over seeds, or a dash if undefined or after the end of a run.
    """
    keys = list(_keys(comparison))
    columns = [column for key in keys for column in _columns(comparison, key)]
    runs = [run for candidate in comparison.candidates for run in candidate.epochs]
    epochs = {line["epoch"] for run in runs for line in run}
    rows = [[whole(epoch), *(number(curve.get(epoch)) for _, curve in columns)] for epoch in sorted(epochs)]
    caption = "Scores and losses of every epoch" if set(keys) & set(LOSSES) else "Scores of every epoch"
    return Table(caption, ["Epoch", *(title for title, _ in columns)], rows, [True] * (len(columns) + 1))


def curve_label(comparison: Comparison, key: str) -> str:
    """Name of a curve, with its images if they are not those of the ranking."""
    if key in LOSSES:
        alike = len({str(candidate.recipe.get("loss")) for candidate in comparison.candidates}) == 1
        return LOSSES[key] if alike else f"{LOSSES[key]} (of different loss functions)"
    images = " or ".join(scored_in_epochs(comparison))
    at = ", each at its recipe's size" if comparison.native else ""
    return comparison.label(key) + (f" on {images}" if images else "") + at


def scored_in_epochs(comparison: Comparison) -> list[str]:
    """Images that curves are scored on, such as ``val images`` or ``40 windows of val images``, each once."""
    summaries = [summary for candidate in comparison.candidates for summary in candidate.summaries]
    found = {(summary.scored_on, summary.validate_windows or 0) for summary in summaries}
    if found == {(summary.reported_on, 0) for summary in summaries}:
        return []  # as the ranking is
    return [
        f"{counted(windows, 'window')} of {split} images" if windows else f"{split} images"
        for split, windows in sorted(found)
    ]


def mean_curve(runs: Iterable[Iterable[Mapping[str, Any]]], key: str) -> Curve:
    """Mean over runs by epoch, for the epochs where every run has a value.

    Args:
        runs: lines of `metrics.jsonl` of every run.
        key: metric, `train_loss` or `val_loss`.
    """
    first, *rest = (points(lines, key) for lines in runs)
    common = [epoch for epoch in first if all(epoch in curve for curve in rest)]
    return {epoch: statistics.fmean(curve[epoch] for curve in (first, *rest)) for epoch in common}


def points(lines: Iterable[Mapping[str, Any]], key: str) -> Curve:
    """Defined values of a run, or of published numbers, by epoch."""
    return {
        line["epoch"]: line[key]
        for line in lines
        if line.get("epoch") is not None and line.get(key) is not None
    }


def _keys(comparison: Comparison) -> Iterator[str]:
    count = len(comparison.ranking)
    yield comparison.metric
    if count <= MAX_WITH_DICE and comparison.metric != "dice" and "dice" in comparison.metrics:
        yield "dice"
    if count <= MAX_WITH_LOSSES:
        yield from LOSSES


def _columns(comparison: Comparison, key: str) -> list[tuple[str, Curve]]:
    """Titles and values; empty if no candidate has values. Equal published columns appear once."""
    label, candidates = curve_label(comparison, key), comparison.candidates
    columns = [(f"{label}, {candidate.name}", mean_curve(candidate.epochs, key)) for candidate in candidates]
    for published in (candidate.published for candidate in candidates if candidate.published):
        column = (f"{label}, {published.source or 'published'}", points(published.epochs, key))
        if column[1] and column not in columns:
            columns.append(column)
    return columns if any(curve for _, curve in columns) else []

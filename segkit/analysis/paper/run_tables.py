"""Tables of a run: scores of every split, with and without post-processing; classes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from segkit.analysis.comparison.result import Interval
from segkit.analysis.paper.latex import escape
from segkit.analysis.paper.table import Column, PaperTable, Score
from segkit.analysis.report.class_scores import COLUMNS as MEASURES
from segkit.analysis.report.class_scores import NOTE
from segkit.analysis.report.tables import SPLITS
from segkit.utils.listing import counted

if TYPE_CHECKING:
    from segkit.analysis.paper.scores import Scoring
    from segkit.analysis.report.class_scores import PerClass
    from segkit.analysis.report.run_data import RunData

_SHOWN = ("iou", "dice", "precision", "recall", "iou_per_image", "images")


def run_tables(data: RunData, scoring: Scoring) -> Iterator[PaperTable]:
    """All tables that the run has contents for."""
    yield _scores(data, scoring)
    if table := class_table(data.summary.scores.per_class, scoring):
        yield table


def _scores(data: RunData, scoring: Scoring) -> PaperTable:
    summary, names = data.summary, data.metrics
    rows: list[tuple[str, int, str, Iterable[Interval]]] = [
        (
            SPLITS.get(summary.reported_on, summary.reported_on),
            scoring.images,
            "none",
            map(data.interval, names),
        )
    ]
    if summary.postprocess and summary.postprocessed:
        first, images, _, _ = rows[0]
        rows.append((first, images, summary.postprocess.in_words(), map(data.postprocessed, names)))
    if summary.scored_on != summary.reported_on:
        split = SPLITS.get(summary.scored_on, summary.scored_on)
        windows = f" ({counted(summary.validate_windows, 'window')})" if summary.validate_windows else ""
        values = (_unlimited(summary.best.metrics.get(name)) for name in names)
        rows.append((split + windows, summary.images.get(summary.scored_on, 0), "none", values))
    scores = [[score(interval) for interval in intervals] for *_, intervals in rows]
    columns = [
        Column("Images", [title for title, *_ in rows]),
        Column("Number", [images for _, images, *_ in rows]),
        *([Column("Post-processing", [steps for *_, steps, _ in rows])] if summary.postprocessed else []),
        *(Column(data.label(name), [row[k] for row in scores]) for k, name in enumerate(names)),
    ]
    caption = f"Scores of {escape(summary.recipe)}. {scoring.caption}"
    return PaperTable("scores", caption, columns)


def class_table(per_class: PerClass, scoring: Scoring, of_seed: str = "") -> PaperTable | None:
    """Scores of the classes as `summary.json` has them; None for a single class."""
    names: Sequence[str] = [*per_class.get("iou", {})]
    if len(names) < 2:
        return None
    columns = [
        Column("Class", names),
        *(
            Column(MEASURES[key], [_cell(key, per_class[key].get(name)) for name in names])
            for key in _SHOWN
            if key in per_class
        ),
    ]
    return PaperTable(
        "classes", f"Scores of the classes on {scoring.scored}{of_seed}. {escape(NOTE)}", columns
    )


def score(interval: Interval) -> Score:
    """A cell of an interval."""
    return Score(interval.mean, interval.low, interval.high)


def _unlimited(value: float | None) -> Interval:
    return Interval(math.nan if value is None else value, math.nan, math.nan)


def _cell(key: str, value: float | None) -> float | int | None:
    return int(value) if key == "images" and value is not None else value

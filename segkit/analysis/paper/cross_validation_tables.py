"""Tables of a cross-validation: pooled scores, folds, classes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from segkit.analysis.paper.latex import escape
from segkit.analysis.paper.table import Column, PaperTable, Score
from segkit.analysis.report.format import score_label

if TYPE_CHECKING:
    from segkit.analysis.paper.scores import Scoring
    from segkit.runs.cv_schema import CvRecord, Pooled


def cross_validation_tables(record: CvRecord, scoring: Scoring) -> Iterator[PaperTable]:
    """All tables that the cross-validation has contents for."""
    yield _scores(record, scoring)
    yield _folds(record, scoring)
    if classes := record.pooled.per_class.get("iou"):
        yield _classes(classes, scoring)


def _scores(record: CvRecord, scoring: Scoring) -> PaperTable:
    names = [*record.pooled.metrics]
    by_fold = {name: _defined(fold.metrics.get(name) for fold in record.folds) for name in names}
    spread = [record.spread[name] for name in names]
    columns = [
        Column("Metric", [_label(record, name) for name in names]),
        Column("All images", [_score(record.pooled.metrics[name]) for name in names]),
    ]
    if record.postprocessed:
        cleaned = record.postprocessed.metrics
        columns.append(Column("Post-processed", [_score(cleaned[name]) for name in names]))
    columns += [
        Column(
            "Folds",
            [
                Score(statistics.fmean(by_fold[name]), sd=_number(spread[k].sd)) if by_fold[name] else None
                for k, name in enumerate(names)
            ],
        ),
        Column("Lowest", [each.lowest for each in spread]),
        Column("Highest", [each.highest for each in spread]),
    ]
    seeds = f" and {len(record.seeds)} seeds" if len(record.seeds) > 1 else ""
    folds = len(record.folds) // len(record.seeds)
    post = f" Post-processed: {escape(record.postprocess.in_words())}." if record.postprocess else ""
    caption = (
        f"Cross-validation of {escape(record.recipe)}: out-of-fold scores of {scoring.scored}. "
        f"{scoring.caption} Folds: mean $\\pm$ standard deviation, lowest and highest score of {folds} "
        f"folds{seeds}.{post}"
    )
    return PaperTable("scores", caption, columns)


def _folds(record: CvRecord, scoring: Scoring) -> PaperTable:
    columns = [
        Column("Fold", [str(fold.fold + 1) for fold in record.folds]),
        Column("Seed", [str(fold.seed) for fold in record.folds]),
        Column("Images", [fold.images for fold in record.folds]),
        *(
            Column(_label(record, name), [fold.metrics.get(name) for fold in record.folds])
            for name in record.metrics
        ),
    ]
    caption = f"Scores of each fold, on the images that its model was not trained on. {scoring.definition}"
    return PaperTable("folds", caption, columns, names=2)


def _classes(classes: dict[str, Pooled], scoring: Scoring) -> PaperTable:
    columns = [
        Column("Class", [*classes]),
        Column("IoU per image", [_score(pooled) for pooled in classes.values()]),
        Column("Images", [pooled.images for pooled in classes.values()]),
    ]
    caption = (
        f"IoU of the classes on {scoring.scored}: in each image, averaged over the images that have the "
        "class in ground truth or prediction, whose number is given. Brackets: 95\\% intervals from a t-test."
    )
    return PaperTable("classes", caption, columns)


def _label(record: CvRecord, name: str) -> str:
    return score_label(name, record.metric_details)


def _score(pooled: Pooled) -> Score:
    return Score(_number(pooled.mean), _number(pooled.low), _number(pooled.high))


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _defined(values: Iterator[float | None]) -> Sequence[float]:
    return [value for value in values if value is not None and math.isfinite(value)]

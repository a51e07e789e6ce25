"""Comparison of candidates class by class: IoU of each image, averaged over images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from segkit.analysis.comparison.format import format_interval, format_signed
from segkit.analysis.comparison.result import Candidate, ClassComparison, ClassScore, Comparison
from segkit.analysis.comparison.statistics import mean_differences, means
from segkit.analysis.report.format import whole
from segkit.analysis.report.tables import Table
from segkit.analysis.score_range import FRACTION, Range, range_of_differences

NOTE = (
    "IoU of the class in each image, averaged over the images that have it in ground truth or prediction; a "
    "difference is over those that have it for both recipes. The intervals are t-intervals over images (and "
    "seeds, if there are several), and are not corrected for the number of classes."
)
MAX_PAIRS = 3  # columns of differences


def compare_classes(
    candidates: Sequence[Candidate], alpha: float, groups: Sequence[str] | None = None
) -> ClassComparison | None:
    """Means and differences of every class; None if a candidate has no scores of these classes."""
    names = list(candidates[0].class_iou)
    if len(names) < 2 or any(list(candidate.class_iou) != names for candidate in candidates):
        return None
    tables = {name: [candidate.class_iou[name] for candidate in candidates] for name in names}
    by_candidate = {
        name: _within(means(scores, alpha=alpha, groups=groups), FRACTION) for name, scores in tables.items()
    }
    by_pair = {
        name: _within(mean_differences(scores, alpha=alpha, groups=groups), range_of_differences(FRACTION))
        for name, scores in tables.items()
    }
    return ClassComparison(
        names=names,
        means=[{name: by_candidate[name][i] for name in names} for i in range(len(candidates))],
        differences=[
            {name: by_pair[name][i] for name in names} for i, _ in enumerate(combinations(candidates, 2))
        ],
    )


def _within(scores: Sequence[ClassScore], score_range: Range) -> list[ClassScore]:
    return [replace(score, interval=score.interval.within(score_range)) for score in scores]


def class_table(comparison: Comparison) -> Table | None:
    """One row per class: the candidates' IoU, and differences of the first pairs; None if unknown."""
    classes = comparison.classes
    if classes is None:
        return None
    pairs = [*zip(comparison.pairs, classes.differences, strict=True)][:MAX_PAIRS]
    rows = [
        [
            name,
            *(format_interval(scores[name].interval) for scores in classes.means),
            *(format_interval(scores[name].interval, format_signed) for _, scores in pairs),
            whole(max(scores[name].images for scores in classes.means)),
        ]
        for name in classes.names
    ]
    columns = [
        "Class",
        *(candidate.name for candidate in comparison.candidates),
        *(f"{pair.a} \N{MINUS SIGN} {pair.b}" for pair, _ in pairs),
        "Images",
    ]
    return Table("IoU of the classes", columns, rows, [False, *(True for _ in columns[1:])])

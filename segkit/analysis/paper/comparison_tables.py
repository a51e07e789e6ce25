"""Tables of a comparison: scores, models with their costs, differences, classes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from segkit.analysis.comparison.classes import NOTE
from segkit.analysis.comparison.costs import COSTS
from segkit.analysis.comparison.format import format_p
from segkit.analysis.comparison.tables import shown_pairs
from segkit.analysis.paper.latex import escape
from segkit.analysis.paper.table import Column, PaperTable, Score
from segkit.analysis.report.format import pixel_size, scored_size
from segkit.runs.schema import Costs
from segkit.utils.listing import counted

if TYPE_CHECKING:
    from segkit.analysis.comparison.result import Candidate, ClassScore, Comparison, Interval
    from segkit.analysis.paper.scores import Scoring

_UNITS = {"millions": "M", "billions": "G", "minutes": "min"}
_MAX_CLASS_COLUMNS = 6  # candidates beside the classes


def comparison_tables(comparison: Comparison, scoring: Scoring) -> Iterator[PaperTable]:
    """All tables that the comparison has contents for."""
    yield _scores(comparison, scoring)
    yield _models(comparison)
    if comparison.pairs:
        yield _differences(comparison, scoring)
    if comparison.classes:
        yield _classes(comparison, scoring)


def _scores(comparison: Comparison, scoring: Scoring) -> PaperTable:
    entries, several = comparison.ranking, any(len(c.seeds) > 1 for c in comparison.candidates)
    ranks = [entry.rank for entry in entries]
    best = [row for row, rank in enumerate(ranks) if rank == 1] if max(ranks) > 1 else []
    columns = [Column("Model", [entry.candidate.name for entry in entries])]
    if several:
        columns.append(Column("Seeds", [len(entry.candidate.seeds) for entry in entries]))
    if curve := comparison.learning_curve:
        columns.append(Column("Training images", curve.images))
    for name in comparison.metrics:
        cells = [_score(entry.metrics[name], entry.candidate, name, scoring) for entry in entries]
        columns.append(Column(comparison.label(name), cells, best if name == comparison.metric else ()))
    notes = [f"Scores on {scoring.scored}.", scoring.caption]
    if several:
        notes.append(r"$\pm$: standard deviation over seeds.")
    if best:
        label = escape(comparison.label(comparison.metric))
        notes.append(
            f"Bold: no other model is significantly better by {label} (adjusted $p < {comparison.alpha:g}$)."
        )
    return PaperTable("scores", " ".join(notes), columns)


def _score(interval: Interval, candidate: Candidate, metric: str, scoring: Scoring) -> Score:
    if scoring.means.get(metric):
        table = np.asarray(candidate.scores[metric])
        by_seed = table[:, np.isfinite(table).all(axis=0)].mean(axis=1).tolist()
    else:
        values = (summary.scores.metrics.get(metric) for summary in candidate.summaries)
        by_seed = [math.nan if value is None else value for value in values]
    return Score(interval.mean, interval.low, interval.high, deviation(by_seed))


def deviation(values: Sequence[float]) -> float:
    """Standard deviation; NaN of fewer than two values."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def _models(comparison: Comparison) -> PaperTable:
    candidates = comparison.candidates
    data = [candidate.recipe.get("data") or {} for candidate in candidates]
    columns = [
        Column("Model", [candidate.name for candidate in candidates]),
        Column("Training images", [candidate.summaries[0].images.get("train") for candidate in candidates]),
        Column("Input", [_size(pixel_size(section.get("size"))) for section in data]),
        Column(
            "Scored at",
            ["own size" if comparison.native else _size(scored_size(section)) for section in data],
        ),
    ]
    frozen = any(c.costs.trainable_parameters != c.costs.parameters for c in candidates)
    for cost in COSTS:
        if cost.shown or (cost.key == "trainable_parameters" and frozen):
            values = [_cost(candidate.costs, cost.key, cost.size) for candidate in candidates]
            columns.append(Column(f"{cost.label} ({_UNITS.get(cost.unit, cost.unit)})", values))
    known = [column for column in columns if any(cell is not None for cell in column.cells)]
    texts = [
        "Models: images, sizes in pixels (height $\\times$ width), and costs.",
        escape(comparison.costs_measured),
    ]
    return PaperTable("models", " ".join(filter(None, texts)), known)


def _size(text: str) -> str | None:
    """``128 x 192`` of ``128 x 192 pixels (height x width)``."""
    short = text.split(" pixels")[0].replace(" x ", " \N{MULTIPLICATION SIGN} ")
    return short.removeprefix("their ") or None


def _cost(costs: Costs, key: str, size: float) -> float | None:
    value = getattr(costs, key)
    return None if value is None else value / size


def _differences(comparison: Comparison, scoring: Scoring) -> PaperTable:
    pairs = shown_pairs(comparison)
    label = comparison.label(comparison.metric)
    columns = [
        Column("A", [pair.a for pair in pairs]),
        Column("B", [pair.b for pair in pairs]),
        Column(
            f"{label}, A \N{MINUS SIGN} B",
            [Score(pair.difference, pair.low, pair.high) for pair in pairs],
            [row for row, pair in enumerate(pairs) if pair.verdict != "no difference shown"],
            signed=True,
        ),
        Column("Adjusted p", [format_p(pair.p_adjusted) for pair in pairs]),
        Column("W / T / L", [f"{pair.wins:,} / {pair.ties:,} / {pair.losses:,}" for pair in pairs]),
    ]
    shown = "" if len(pairs) == len(comparison.pairs) else " Only pairs with the first model are listed."
    caption = (
        f"Paired differences in {escape(label)} on {scoring.scored}. In brackets: 95\\% intervals. "
        f"{escape(scoring.intervals)} $p$ is adjusted by Holm's method for "
        f"{counted(len(comparison.pairs), 'pair')}. Bold: significant. W, T, L: images on which A is better, "
        f"equal, worse.{shown}"
    )
    return PaperTable("differences", caption, columns, names=2)


def _classes(comparison: Comparison, scoring: Scoring) -> PaperTable:
    classes = comparison.classes
    assert classes is not None
    shown = [*zip(comparison.candidates, classes.means, strict=True)][:_MAX_CLASS_COLUMNS]
    columns = [
        Column("Class", classes.names),
        Column("Images", [shown[0][1][name].images for name in classes.names]),
        *(Column(c.name, [_class(means[name]) for name in classes.names]) for c, means in shown),
    ]
    of_pairs = chain(classes.differences if len(classes.differences) == 1 else ())
    for differences, pair in zip(of_pairs, comparison.pairs, strict=False):
        cells = [_class(differences[name]) for name in classes.names]
        columns.append(Column(f"{pair.a} \N{MINUS SIGN} {pair.b}", cells, signed=True))
    caption = f"IoU of the classes on {scoring.scored}. {escape(NOTE)} Images: those of the first model."
    return PaperTable("classes", caption, columns)


def _class(score: ClassScore) -> Score:
    return Score(score.interval.mean, score.interval.low, score.interval.high)

"""Figures of scores: paired differences of images, scores of images, learning curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from segkit.analysis.paper.figure import COLUMN, PAGE, THICK, PaperFigure, new_figure
from segkit.analysis.paper.latex import escape
from segkit.analysis.paper.table import Score, score_text
from segkit.analysis.report.format import whole
from segkit.analysis.report.style import LIGHT, figure_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from segkit.analysis.comparison.result import Comparison, Interval, PairwiseTest
    from segkit.analysis.paper.scores import Scoring

_HEIGHT = 2.1  # inches
_MAX_PAIRS = 4
_BINS = 25


def differences_figure(comparison: Comparison, scoring: Scoring) -> PaperFigure | None:
    """Sorted differences of all images between the first candidate and others; None for a single one."""
    first = comparison.candidates[0].name
    pairs = [pair for pair in comparison.pairs if first in (pair.a, pair.b)][:_MAX_PAIRS]
    if not pairs:
        return None
    columns = min(len(pairs), 2)
    rows = -(-len(pairs) // columns)
    figure = new_figure(PAGE if columns == 2 else COLUMN, _HEIGHT * rows)
    label, shared = comparison.label(comparison.metric), None
    for number, pair in enumerate(pairs, start=1):
        axes = figure.add_subplot(rows, columns, number, sharey=shared)
        shared = shared or axes
        _draw_differences(axes, comparison, pair)
        axes.set_ylabel(figure_text(f"Difference in {label}"))
    caption = (
        f"Paired differences in {escape(label)} on {scoring.scored}, sorted. Line and band: mean with its "
        "interval."
    )
    return PaperFigure("differences", caption, figure)


def _draw_differences(axes: Axes, comparison: Comparison, pair: PairwiseTest) -> None:
    means = {
        candidate.name: np.asarray(candidate.scores[comparison.metric]).mean(axis=0)
        for candidate in comparison.candidates
    }
    values = np.sort(means[pair.a] - means[pair.b])
    values = values[np.isfinite(values)]
    better = values > 0 if comparison.higher_is_better else values < 0
    ranks = np.arange(1, len(values) + 1)
    for shown, color in ((better, LIGHT.accent), (~better, LIGHT.second)):
        axes.bar(ranks[shown], values[shown], width=1.0, color=color, linewidth=0)
    if math.isfinite(pair.high - pair.low):
        axes.axhspan(pair.low, pair.high, color=LIGHT.ink, alpha=0.18, linewidth=0)
    axes.axhline(pair.difference, color=LIGHT.ink, linewidth=THICK)
    axes.axhline(0, color=LIGHT.ink, linewidth=0.5)
    mean = Score(pair.difference, pair.low, pair.high)
    names = f"{figure_text(pair.a)}\n\N{MINUS SIGN} {figure_text(pair.b)}: {score_text(mean, signed=True)}"
    axes.set_title(names)
    axes.set_xlabel("Image, sorted by difference")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    axes.margins(x=0.01, y=0.15)


def histogram_figure(
    scores: Sequence[float], mean: Interval | None, label: str, caption: str
) -> PaperFigure | None:
    """Histogram of the scores of images; None without any.

    Args:
        scores: defined scores.
        mean: their mean with its interval; None if the score is not a mean over images.
        label: display name of the metric's score of one image.
        caption: sentences on what is drawn, in LaTeX.
    """
    if not scores:
        return None
    figure = new_figure(COLUMN, _HEIGHT)
    axes = figure.add_subplot()
    bounds = (0.0, 1.0) if all(0 <= score <= 1 for score in scores) else None
    axes.hist(scores, bins=_BINS, range=bounds, color=LIGHT.accent, rwidth=0.9)
    if mean:
        if math.isfinite(mean.high - mean.low):
            axes.axvspan(mean.low, mean.high, color=LIGHT.ink, alpha=0.18, linewidth=0)
        axes.axvline(mean.mean, color=LIGHT.ink, linewidth=THICK)
        axes.set_title(f"Mean {score_text(Score(mean.mean, mean.low, mean.high))}")
        caption += " Line and band: mean with its interval."
    axes.set_xlabel(figure_text(label))
    axes.set_ylabel("Images")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, nbins=6))
    return PaperFigure("scores", caption, figure)


def learning_curve_figure(comparison: Comparison, scoring: Scoring) -> PaperFigure | None:
    """Scores over training images with the fitted power law; None unless candidates differ in these alone."""
    curve = comparison.learning_curve
    if curve is None:
        return None
    figure = new_figure(COLUMN, _HEIGHT)
    axes = figure.add_subplot()
    means = [entry.metrics[comparison.metric] for entry in comparison.ranking]
    if curve.line:
        images, fitted = zip(*curve.line, strict=True)
        low, high = [at.low for at in fitted], [at.high for at in fitted]
        axes.fill_between(images, low, high, color=LIGHT.accent, alpha=0.2, linewidth=0)
        axes.plot(images, [at.mean for at in fitted], color=LIGHT.accent, linewidth=THICK)
    for images_, interval in zip(curve.images, means, strict=True):
        axes.plot([images_, images_], [interval.low, interval.high], color=LIGHT.ink, linewidth=1)
        axes.plot([images_], [interval.mean], "o", color=LIGHT.ink, markersize=3.5)
    label = comparison.label(comparison.metric)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sorted({*curve.images})))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(sorted({*curve.images}), [whole(count) for count in sorted({*curve.images})])
    axes.set_xlabel("Training images")
    axes.set_ylabel(figure_text(label))
    fit = " Line and band: power law with its interval." if curve.line else ""
    caption = f"{escape(label)} on {scoring.scored} by number of training images, with intervals.{fit}"
    return PaperFigure("learning_curve", caption, figure)

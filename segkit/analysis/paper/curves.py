"""Curves of training: losses and the selecting metric over epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from segkit.analysis.comparison.epochs import LOSSES, mean_curve, points
from segkit.analysis.comparison.page.colors import colors, dashes
from segkit.analysis.paper.figure import PAGE, THICK, THIN, PaperFigure, legend_below, new_figure
from segkit.analysis.report.style import LIGHT, figure_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    Runs = Sequence[Sequence[Mapping[str, Any]]]

_HEIGHT, _LEGEND_ROW = 1.9, 0.18  # inches


@dataclass(frozen=True)
class Curve:
    """Curves of a model: one of each run, and their mean.

    Args:
        name: name of the model.
        runs: lines of `metrics.jsonl` of every run.
    """

    name: str
    runs: Runs


def curves_figure(curves: Sequence[Curve], metric: str, label: str, caption: str) -> PaperFigure | None:
    """Losses and a metric over epochs, a panel each; None if nothing is known.

    Args:
        curves: curves of every model.
        metric: key of the metric.
        label: its display name.
        caption: sentences on what is drawn, in LaTeX.
    """
    titles = {**LOSSES, metric: label}
    shown = [key for key in titles if any(mean_curve(curve.runs, key) for curve in curves)]
    if not shown:
        return None
    rows = -(-len(curves) // 3) if len(curves) > 1 else 0
    figure: Figure = new_figure(PAGE, _HEIGHT + rows * _LEGEND_ROW)
    for number, key in enumerate(shown, start=1):
        axes = figure.add_subplot(1, len(shown), number)
        _draw(axes, curves, key)
        axes.set_title(figure_text(titles[key]))
    legend_below(figure, axes, columns=3)
    return PaperFigure("curves", caption, figure)


def _draw(axes: Axes, curves: Sequence[Curve], key: str) -> None:
    styles = zip(curves, colors(len(curves), LIGHT), dashes(len(curves)), strict=True)
    for curve, color, dash in styles:
        for run in curve.runs if len(curve.runs) > 1 else ():
            line = points(run, key)
            axes.plot([*line], [*line.values()], color=color, linewidth=THIN, alpha=0.6)
        mean = mean_curve(curve.runs, key)
        axes.plot(
            [*mean], [*mean.values()], color=color, linewidth=THICK, label=figure_text(curve.name),
            linestyle=(0, dash) if dash else "-", marker="o" if len(mean) == 1 else None, markersize=3,
        )  # fmt: skip
    axes.set_xlabel("Epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, nbins=6))
    axes.margins(x=0.03, y=0.06)

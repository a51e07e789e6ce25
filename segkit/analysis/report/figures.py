"""Curves and histogram, as SVG in light and dark for the page and as PNG for Markdown."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from segkit.analysis.report.format import metric_name, number
from segkit.analysis.report.run_data import RunData
from segkit.analysis.report.style import LIGHT, Picture, Theme, both, drawn, png, style, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 25
PANEL, WIDE = (3.6, 2.8), (5.2, 3.0)  # inches, near the sizes on the page: letters keep theirs
ROOM = 0.25  # of the height of the lines, kept free above them for the legend


@dataclass(frozen=True)
class Line:
    """One line of a panel; a gap where a value is NaN."""

    label: str
    epochs: list[float]
    values: list[float]
    second: bool = False
    published: bool = False


@dataclass(frozen=True)
class Panel:
    """One plot over epochs.

    Args:
        title: what is drawn.
        lines: the run's own first.
        best: the epoch to mark.
    """

    title: str
    best: int
    lines: list[Line] = field(default_factory=list)


def curve_panels(material: RunData) -> list[Panel]:
    """Loss, then every metric."""
    best = material.summary.best.epoch
    theirs = material.published.epochs if material.published else []
    panels = [
        Panel("Loss", best, _lines("train_loss", "training", material.epochs, theirs, second=True)),
    ]
    panels[0].lines.extend(_lines("val_loss", "validation", material.epochs, theirs))
    for name in material.metrics:
        panels.append(Panel(metric_name(name), best, _lines(name, "this run", material.epochs, theirs)))
    return panels


def panel_picture(panel: Panel) -> Picture:
    """One panel on its own."""
    return Picture(_panel_alt(panel), *both(lambda theme: svg(_figure([panel], PANEL, theme))))


def curves_png(panels: list[Panel]) -> bytes:
    """All panels in one picture, three in a row."""
    with mpl.rc_context(style(LIGHT)):
        return png(_figure(panels, PANEL, LIGHT))


def score_picture(material: RunData) -> Picture:
    """The histogram of the first metric over the images."""
    alt = f"Histogram of the {metric_name(material.first_metric)} of {len(_defined(material))} images."
    return Picture(alt, *both(lambda theme: svg(_figure([material], WIDE, theme))))


def scores_png(material: RunData) -> bytes:
    """The same as PNG."""
    with mpl.rc_context(style(LIGHT)):
        return png(_figure([material], WIDE, LIGHT))


def _figure(plots: Sequence[Panel | RunData], size: tuple[float, float], theme: Theme) -> Figure:
    """Plots of one size, three in a row."""
    columns = min(len(plots), 3)
    rows = math.ceil(len(plots) / columns)
    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    for index, plot in enumerate(plots, start=1):
        axes = figure.add_subplot(rows, columns, index)
        _draw_panel(axes, plot, theme) if isinstance(plot, Panel) else _draw_scores(axes, plot, theme)
    return figure


def _lines(
    key: str,
    label: str,
    ours: list[dict[str, Any]],
    theirs: Iterable[Mapping[str, float | None]],
    *,
    second: bool = False,
) -> list[Line]:
    lines = [_line(key, label, ours, second=second)]
    if rows := [row for row in theirs if row.get(key) is not None and row.get("epoch") is not None]:
        label = "published" if label == "this run" else f"published {label}"
        lines.append(_line(key, label, rows, second=second, published=True))
    return lines


def _line(key: str, label: str, rows: Iterable[Mapping[str, Any]], **looks: bool) -> Line:
    points = [(row["epoch"], math.nan if row.get(key) is None else row[key]) for row in rows]
    return Line(label, [epoch for epoch, _ in points], [value for _, value in points], **looks)


def _draw_panel(axes: Axes, panel: Panel, theme: Theme) -> None:
    axes.set_title(drawn(panel.title))
    axes.axvline(panel.best, ymax=1 / (1 + ROOM), color=theme.muted, linewidth=0.8, alpha=0.6)
    for line in panel.lines:
        color = theme.second if line.second else theme.accent
        if line.published:
            axes.plot(
                line.epochs,
                line.values,
                color=color,
                linestyle=(0, (4, 2.5)),
                linewidth=1.2,
                label=line.label,
            )
            continue
        alone = "o" if len(line.epochs) == 1 else None
        axes.plot(line.epochs, line.values, color=color, linewidth=2, marker=alone, label=line.label)
        if not line.second:
            _mark_best(axes, line, panel.best, color)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, nbins=8))
    axes.set_xlabel("epoch")
    axes.margins(x=0.03, y=0.08)
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom, top + ROOM * (top - bottom))
    if len(panel.lines) > 1:
        axes.legend(
            ncols=2, loc="upper left", handlelength=1.8, columnspacing=1.0, borderaxespad=0, borderpad=0
        )


def _mark_best(axes: Axes, line: Line, best: int, color: str) -> None:
    for epoch, value in zip(line.epochs, line.values, strict=True):
        if epoch == best and math.isfinite(value):
            axes.plot([epoch], [value], "o", color=color, markersize=6.5, zorder=5)


def _draw_scores(axes: Axes, material: RunData, theme: Theme) -> None:
    scores = _defined(material)
    bounds = (0.0, 1.0) if all(0 <= score <= 1 for score in scores) else None
    axes.set_xlabel(drawn(metric_name(material.first_metric)))
    axes.set_ylabel("images")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, nbins=6))
    if not scores:
        axes.text(
            0.5, 0.5, "no image has a defined score", transform=axes.transAxes, ha="center", color=theme.muted
        )
        return
    axes.hist(scores, bins=BINS, range=bounds, color=theme.accent, alpha=0.85, rwidth=0.9)
    mean, median = statistics.fmean(scores), statistics.median(scores)
    axes.axvline(mean, color=theme.ink, linewidth=1.4, label=f"mean {number(mean)}")
    axes.axvline(
        median, color=theme.second, linewidth=1.4, linestyle=(0, (4, 2.5)), label=f"median {number(median)}"
    )
    axes.set_ylim(top=axes.get_ylim()[1] * (1 + ROOM / 2))
    axes.legend(loc="upper left", ncols=2, borderaxespad=0, borderpad=0)


def _defined(material: RunData) -> list[float]:
    return [score for score in material.scores.get(material.first_metric, []) if math.isfinite(score)]


def _panel_alt(panel: Panel) -> str:
    parts = []
    for line in panel.lines:
        points = [
            (epoch, value)
            for epoch, value in zip(line.epochs, line.values, strict=True)
            if math.isfinite(value)
        ]
        if points:
            (start, first), (end, last) = points[0], points[-1]
            parts.append(
                f"{line.label} from {number(first)} (epoch {start:.0f}) to {number(last)} (epoch {end:.0f})"
            )
    said = "; ".join(parts) or "nothing is defined"
    return f"{panel.title} over epochs: {said}. Epoch {panel.best} was the best."

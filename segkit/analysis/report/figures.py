"""Figures of a report: curves and a histogram, as SVG for HTML and PNG for Markdown."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from segkit.analysis.report.format import number
from segkit.analysis.report.run_data import RunData
from segkit.analysis.report.style import LIGHT, Picture, Theme, figure_text, light_and_dark, png, style, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 25
PANEL, WIDE = (3.6, 2.8), (5.2, 3.0)  # inches, near the sizes on the page, so that text is not scaled
HEADROOM = 0.25  # of the height of the curves, for the legend
_DASHED: Any = (0, (4, 2.5))


@dataclass(frozen=True)
class Line:
    """One curve."""

    label: str
    epochs: list[float]
    values: list[float]  # NaN leaves a gap
    second: bool = False  # use the second colour
    published: bool = False  # dashed


@dataclass(frozen=True)
class Panel:
    """One plot over epochs."""

    title: str
    best: int
    lines: list[Line]
    select: str = "best"  # or last: what the marked epoch is


def curve_panels(data: RunData) -> list[Panel]:
    """Panels of the losses and of every metric."""
    best, select = data.summary.best.epoch, data.summary.select
    published = data.published.epochs if data.published else []
    losses = [
        *_lines("train_loss", "training", data.epochs, published, second=True),
        *_lines("val_loss", "validation", data.epochs, published),
    ]
    metrics = [
        Panel(data.label(name), best, _lines(name, "this run", data.epochs, published), select)
        for name in data.metrics
    ]
    return [Panel("Loss", best, losses, select), *metrics]


def panel_picture(panel: Panel) -> Picture:
    """One panel as SVG."""
    return Picture(_panel_alt(panel), *light_and_dark(lambda theme: svg(_figure([panel], PANEL, theme))))


def curves_png(panels: list[Panel]) -> bytes:
    """All panels as one PNG."""
    with mpl.rc_context(style(LIGHT)):
        return png(_figure(panels, PANEL, LIGHT))


def score_picture(data: RunData) -> Picture:
    """Histogram of the first metric over images, as SVG."""
    alt = f"Histogram of the {data.image_label(data.first_metric)} of {len(data.defined_scores)} images."
    return Picture(alt, *light_and_dark(lambda theme: svg(_figure([data], WIDE, theme))))


def scores_png(data: RunData) -> bytes:
    """Histogram of the first metric over images, as PNG."""
    with mpl.rc_context(style(LIGHT)):
        return png(_figure([data], WIDE, LIGHT))


def _figure(plots: Sequence[Panel | RunData], size: tuple[float, float], theme: Theme) -> Figure:
    columns = min(len(plots), 3)
    rows = math.ceil(len(plots) / columns)
    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    for index, plot in enumerate(plots, start=1):
        axes = figure.add_subplot(rows, columns, index)
        _draw_panel(axes, plot, theme) if isinstance(plot, Panel) else _draw_histogram(axes, plot, theme)
    return figure


def _lines(
    key: str,
    label: str,
    epochs: Iterable[Mapping[str, Any]],
    published: Iterable[Mapping[str, float | None]],
    *,
    second: bool = False,
) -> list[Line]:
    lines = [_line(key, label, epochs, second=second)]
    if rows := [row for row in published if row.get(key) is not None and row.get("epoch") is not None]:
        label = "published" if label == "this run" else f"published {label}"
        lines.append(_line(key, label, rows, second=second, published=True))
    return lines


def _line(key: str, label: str, rows: Iterable[Mapping[str, Any]], **style: bool) -> Line:
    points = [(row["epoch"], math.nan if row.get(key) is None else row[key]) for row in rows]
    return Line(label, [epoch for epoch, _ in points], [value for _, value in points], **style)


def _draw_panel(axes: Axes, panel: Panel, theme: Theme) -> None:
    axes.set_title(figure_text(panel.title))
    axes.axvline(panel.best, ymax=1 / (1 + HEADROOM), color=theme.muted, linewidth=0.8, alpha=0.6)
    for line in panel.lines:
        _draw_line(axes, line, panel.best, theme.second if line.second else theme.accent)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, nbins=8))
    axes.set_xlabel("epoch")
    axes.margins(x=0.03, y=0.08)
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom, top + HEADROOM * (top - bottom))
    if len(panel.lines) > 1:
        _add_legend(axes, handlelength=1.8, columnspacing=1.0)


def _draw_line(axes: Axes, line: Line, best: int, color: str) -> None:
    if line.published:
        axes.plot(line.epochs, line.values, color=color, linestyle=_DASHED, linewidth=1.2, label=line.label)
        return
    marker = "o" if len(line.epochs) == 1 else None
    axes.plot(line.epochs, line.values, color=color, linewidth=2, marker=marker, label=line.label)
    for epoch, value in zip(line.epochs, line.values, strict=True):
        if not line.second and epoch == best and math.isfinite(value):
            axes.plot([epoch], [value], "o", color=color, markersize=6.5, zorder=5)


def _draw_histogram(axes: Axes, data: RunData, theme: Theme) -> None:
    scores = data.defined_scores
    bounds = (0.0, 1.0) if all(0 <= score <= 1 for score in scores) else None
    axes.set_xlabel(figure_text(data.image_label(data.first_metric)))
    axes.set_ylabel("images")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, nbins=6))
    if not scores:
        message = "no image has a defined score"
        axes.text(0.5, 0.5, message, transform=axes.transAxes, ha="center", color=theme.muted)
        return
    axes.hist(scores, bins=BINS, range=bounds, color=theme.accent, alpha=0.85, rwidth=0.9)
    if data.is_mean(data.first_metric):
        mean = statistics.fmean(scores)
        axes.axvline(mean, color=theme.ink, linewidth=1.4, label=f"mean {number(mean)}")
    median = statistics.median(scores)
    label = f"median {number(median)}"
    axes.axvline(median, color=theme.second, linewidth=1.4, linestyle=_DASHED, label=label)
    axes.set_ylim(top=axes.get_ylim()[1] * (1 + HEADROOM / 2))
    _add_legend(axes)


def _add_legend(axes: Axes, **options: float) -> None:
    axes.legend(ncols=2, loc="upper left", borderaxespad=0, borderpad=0, **options)


def _panel_alt(panel: Panel) -> str:
    parts = []
    for line in panel.lines:
        points = [point for point in zip(line.epochs, line.values, strict=True) if math.isfinite(point[1])]
        if points:
            (start, first), (end, last) = points[0], points[-1]
            parts.append(
                f"{line.label} from {number(first)} (epoch {start:.0f}) to {number(last)} (epoch {end:.0f})"
            )
    curves = "; ".join(parts) or "no value is defined"
    return f"{panel.title} over epochs: {curves}. {panel.select.capitalize()} epoch: {panel.best}."

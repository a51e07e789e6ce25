"""Figures of a search: history, importance, parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from segkit.analysis.report.style import Picture, Theme, figure_text, light_and_dark, svg
from segkit.analysis.tuning.result import Trial, Tuning, shown
from segkit.analysis.tuning.sentences import score_kind
from segkit.recipe.search_space import Axis, Choices, Value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDE, _ROW = (9.6, 3.2), 0.32  # inches
_FEWEST = 2  # complete trials of a figure


def history(tuning: Tuning) -> Picture | None:
    """Score of every trial in order, and the best so far; None without a score."""
    scored = [trial for trial in tuning.trials if trial.score is not None]
    if not scored:
        return None

    def draw(theme: Theme) -> bytes:
        figure = Figure(figsize=_WIDE, layout="constrained")
        axes = figure.add_subplot()
        for state, face in (("complete", theme.accent), ("pruned", "none")):
            points = [trial for trial in scored if trial.state == state]
            axes.plot(
                [trial.number for trial in points],
                [trial.score or 0.0 for trial in points],
                marker="o",
                markersize=5.5,
                markerfacecolor=face,
                markeredgecolor=theme.accent,
                linestyle="none",
                label=state,
            )
        complete = _complete(tuning)
        best = max if tuning.higher_is_better else min
        numbers = [trial.number for trial in complete]
        best_so_far = [*accumulate((trial.score or 0.0 for trial in complete), best)]
        axes.step(numbers, best_so_far, where="post", color=theme.second, linewidth=1.6, label="best so far")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlabel("trial")
        axes.set_ylabel(figure_text(f"{tuning.metric} ({score_kind(tuning)})"))
        axes.legend(loc="best", ncols=3)
        return svg(figure)

    alt = f"{tuning.metric} ({score_kind(tuning)}) of {len(scored)} trials in order, with the best so far."
    return Picture(alt, *light_and_dark(draw))


def importance(tuning: Tuning) -> Picture | None:
    """Share of each searched value in the variation of the score; None if it cannot be told."""
    shares = dict(sorted(tuning.importance.items(), key=lambda item: item[1]))
    if not shares:
        return None

    def draw(theme: Theme) -> bytes:
        figure = Figure(figsize=(_WIDE[0], 0.9 + _ROW * len(shares)), layout="constrained")
        axes = figure.add_subplot()
        bars = axes.barh(
            [figure_text(path) for path in shares], list(shares.values()), color=theme.accent, height=0.6
        )
        axes.bar_label(
            bars, [f"{100 * share:.0f} %" for share in shares.values()], padding=4, color=theme.muted
        )
        axes.set_xlim(0, 1.1 * max(shares.values()))
        axes.grid(visible=False)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        return svg(figure)

    words = ", ".join(f"{path} {100 * share:.0f} %" for path, share in reversed(shares.items()))
    return Picture(f"Importance of the searched values: {words}.", *light_and_dark(draw))


def parallel_coordinates(tuning: Tuning) -> Picture | None:
    """A line for each complete trial through its values to its score; None with fewer than two."""
    complete = sorted(
        _complete(tuning), key=lambda trial: trial.score or 0.0, reverse=not tuning.higher_is_better
    )
    if len(complete) < _FEWEST:
        return None
    scores = [trial.score or 0.0 for trial in complete]
    low, high = min(scores), max(scores)

    def draw(theme: Theme) -> bytes:
        colors = LinearSegmentedColormap.from_list("scores", [theme.grid, theme.accent])
        figure = Figure(figsize=(_WIDE[0], 4.2), layout="constrained")
        axes = figure.add_subplot()
        axes.axis("off")
        positions = range(len(tuning.axes) + 1)
        for rank, trial in enumerate(complete):
            heights = [_height(axis, trial.values[axis.path]) for axis in tuning.axes]
            heights.append((scores[rank] - low) / (high - low) if high > low else 0.5)
            is_best = tuning.best is not None and trial.number == tuning.best.number
            color = theme.second if is_best else colors(heights[-1])
            axes.plot(positions, heights, color=color, linewidth=2.4 if is_best else 1.2, zorder=2 + rank)
        for position, axis in zip(positions, tuning.axes, strict=False):
            _draw_scale(axes, position, axis.path, _ticks(axis), theme)
        ticks = [(0.0, f"{low:.4f}"), (1.0, f"{high:.4f}")] if high > low else [(0.5, f"{low:.4f}")]
        _draw_scale(axes, positions[-1], tuning.metric, ticks, theme)
        axes.set_xlim(-0.3, len(tuning.axes) + 0.4)
        axes.set_ylim(-0.08, 1.2)
        return svg(figure)

    names = ", ".join(axis.path for axis in tuning.axes)
    alt = f"Parallel coordinates of {len(complete)} complete trials: {names}, {tuning.metric}."
    return Picture(alt, *light_and_dark(draw))


def _draw_scale(
    axes: Axes, position: int, name: str, ticks: Sequence[tuple[float, str]], theme: Theme
) -> None:
    axes.plot([position, position], [0, 1], color=theme.muted, linewidth=0.9, zorder=1)
    axes.text(position, 1.1, figure_text(name), ha="center", color=theme.ink, fontsize=9, fontweight="bold")
    box = {"facecolor": theme.ground, "edgecolor": "none", "alpha": 0.8, "pad": 1.2}
    for height, text in ticks:
        axes.text(
            position + 0.03,
            height,
            figure_text(text),
            va="center",
            fontsize=8,
            color=theme.muted,
            bbox=box,
            zorder=10_000,
        )


def _height(axis: Axis, value: Value) -> float:
    """Position of a value on its scale, from 0 to 1."""
    space = axis.space
    if isinstance(space, Choices):
        return space.values.index(str(value)) / (len(space.values) - 1)
    low, high, number = (math.log(v) if space.log else v for v in (space.low, space.high, float(value)))
    return (number - low) / (high - low)


def _ticks(axis: Axis) -> list[tuple[float, str]]:
    return [(_height(axis, value), shown(value)) for value in axis.ends]


def _complete(tuning: Tuning) -> list[Trial]:
    return [trial for trial in tuning.trials if trial.state == "complete" and trial.score is not None]

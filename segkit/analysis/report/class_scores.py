"""Scores of the classes of a run or an evaluation: tables and the confusion matrix as a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from segkit.analysis.report.format import number, whole
from segkit.analysis.report.style import LIGHT, Picture, Theme, figure_text, light_and_dark, png, style, svg
from segkit.analysis.report.tables import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    PerClass = Mapping[str, Mapping[str, float | None]]

COLUMNS = {
    "iou": "IoU",
    "dice": "Dice",
    "precision": "Precision",
    "recall": "Recall",
    "iou_per_image": "IoU per image",
    "dice_per_image": "Dice per image",
    "precision_per_image": "Precision per image",
    "recall_per_image": "Recall per image",
    "pixels": "Pixels",
    "images": "Images",
}
NOTE = (
    "Scores are of the pixels of all images together; those per image are means over the images "
    "that have the class in the ground truth or the prediction (precision: in the prediction, recall: "
    "in the ground truth). Pixels and images are those of the ground truth."
)
MAX_NUMBERED = 32  # classes up to which a picture has numbers in its cells
MAX_NAME = 18  # letters of a class in a picture


@dataclass(frozen=True)
class ClassScores:
    """Scores of the classes for the templates.

    Args:
        table: one row per class; the lowest IoU is marked.
        counts: true and false positives and negatives of each class; None for multiclass tasks.
        pictures: the confusion matrix in counts and by row; empty unless multiclass.
        png: both as one file; empty unless multiclass.
        note: sentence on what the numbers are.
    """

    table: Table
    counts: Table | None
    pictures: list[Picture]
    png: bytes
    note: str


def class_scores(
    per_class: PerClass,
    confusion: Sequence[Sequence[Any]] | None,
    training_pixels: Mapping[str, int] | None = None,
) -> ClassScores | None:
    """Tables and pictures of the classes; None for a single class, or if the classes were not scored.

    Args:
        per_class: as in `summary.json`.
        confusion: likewise.
        training_pixels: pixels of every class in the training masks, if known.
    """
    table = class_score_table(per_class, confusion, training_pixels)
    if table is None:
        return None
    names, counts = [*per_class["iou"]], np.array(confusion)
    multiclass = counts.ndim == 2
    return ClassScores(
        table=table,
        counts=None if multiclass else _count_table(counts, names),
        pictures=[_picture(counts, names, by_row=by_row) for by_row in (True, False)] if multiclass else [],
        png=_png(counts, names) if multiclass else b"",
        note=NOTE,
    )


def class_score_table(
    per_class: PerClass,
    confusion: Sequence[Sequence[Any]] | None,
    training_pixels: Mapping[str, int] | None = None,
) -> Table | None:
    """The table of `class_scores` alone."""
    names = [*per_class.get("iou", {})]
    if len(names) < 2 or not confusion:
        return None
    multiclass = np.ndim(confusion) == 2
    return _score_table(per_class, names, training_pixels or {}, multiclass=multiclass)


def _score_table(
    per_class: PerClass, names: list[str], training: Mapping[str, int], *, multiclass: bool
) -> Table:
    total = sum(training.values())
    rows = [
        [
            name,
            *(
                (whole if key in ("pixels", "images") else number)(per_class.get(key, {}).get(name))
                for key in COLUMNS
            ),
            *([_frequency(training.get(name, 0), total if multiclass else 0)] if total else []),
        ]
        for name in names
    ]
    training_title = "Share of training pixels" if multiclass else "Training pixels"
    columns = ["Class", *COLUMNS.values(), *([training_title] if total else [])]
    defined = {name: value for name, value in per_class["iou"].items() if _is_number(value)}
    worst = min(defined, key=lambda name: defined[name] or 0.0, default=None)
    caption = "Scores of the classes" + ("; the lowest IoU is marked" if worst else "")
    marked = names.index(worst) if worst else None
    return Table(caption, columns, rows, [False, *(True for _ in columns[1:])], marked)


def _frequency(pixels: int, total: int) -> str:
    return f"{100 * pixels / total:.3g} %" if total else whole(pixels)


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _count_table(counts: Any, names: list[str]) -> Table:
    rows = [
        [name, *map(whole, (tp, fp, fn, tn))]
        for name, ((tn, fp), (fn, tp)) in zip(names, counts, strict=True)
    ]
    columns = ["Class", "True positives", "False positives", "False negatives", "True negatives"]
    return Table("Pixels, right and wrong", columns, rows, [False, True, True, True, True])


def _picture(counts: Any, names: list[str], *, by_row: bool) -> Picture:
    def draw(theme: Theme) -> bytes:
        return svg(_figure(counts, names, theme, [by_row]))

    what = "in percent of each row" if by_row else "in pixels"
    alt = f"Confusion matrix of {len(names)} classes {what}; rows are true classes, columns predicted ones."
    return Picture(f"{alt} {_largest_confusion(counts, names)}".strip(), *light_and_dark(draw))


def _png(counts: Any, names: list[str]) -> bytes:
    with mpl.rc_context(style(LIGHT)):
        return png(_figure(counts, names, LIGHT, [True, False]))


def _largest_confusion(counts: Any, names: list[str]) -> str:
    wrong = counts * (1 - np.eye(len(counts), dtype=int))
    if not wrong.any():
        return ""
    true, predicted = np.unravel_index(wrong.argmax(), wrong.shape)
    return f"Most often, {names[true]} is taken for {names[predicted]}: {whole(int(wrong.max()))} pixels."


def _figure(counts: Any, names: list[str], theme: Theme, panels: list[bool]) -> Figure:
    cell = max(0.38, 0.75 - 0.05 * len(names)) if len(names) <= MAX_NUMBERED else 10 / len(names)
    side = cell * len(names) + 0.9 + 0.07 * max(len(_short(name)) for name in names)
    side = max(side, 3.6)
    beside = side < 6
    shape = (1, len(panels)) if beside else (len(panels), 1)
    figure = Figure(figsize=(side * shape[1], side * shape[0]), layout="constrained")
    for position, by_row in enumerate(panels, start=1):
        axes = figure.add_subplot(*shape, position)
        _draw(axes, counts, names, theme, by_row=by_row)
    return figure


def _draw(axes: Axes, counts: Any, names: list[str], theme: Theme, *, by_row: bool) -> None:
    rows = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(rows, 1)
    colors = LinearSegmentedColormap.from_list("confusion", [theme.ground, theme.accent])
    values = shares if by_row else np.log1p(counts) / max(np.log1p(counts.max()), 1)
    axes.pcolormesh(values, cmap=colors, vmin=0, vmax=1, rasterized=len(names) > MAX_NUMBERED)
    axes.set_title("Percent of the true class" if by_row else "Pixels")
    axes.invert_yaxis()
    axes.set_aspect("equal")
    axes.grid(visible=False)
    labels, ticks = [_short(name) for name in names], np.arange(len(names)) + 0.5
    size = 8.5 if len(names) <= MAX_NUMBERED else 0
    if size:
        axes.set_xticks(ticks, labels, rotation=90 if len(names) > 4 else 0, fontsize=size)
        axes.set_yticks(ticks, labels, fontsize=size)
    else:
        axes.set_xticks([])
        axes.set_yticks([])
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    if len(names) > MAX_NUMBERED:
        return
    fontsize = 8.5 if len(names) <= 12 else 6.5
    for row, column in zip(*np.nonzero(counts), strict=True):
        text = _percent(shares[row, column]) if by_row else _short_count(int(counts[row, column]))
        color = theme.ground if values[row, column] > 0.55 else theme.ink
        place = column + 0.5, row + 0.5
        cell = axes.text(*place, text, ha="center", va="center", color=color, fontsize=fontsize)
        cell.set_in_layout(False)  # a thousand texts take seconds to lay out


def _percent(share: float) -> str:
    return "<1" if share < 0.005 else f"{100 * share:.0f}"


def _short_count(count: int) -> str:
    """``999``, ``1.2k``, ``34k``, ``5.6M``: at most four characters."""
    power = min(len(str(count)) - 1, 14) // 3
    if round(count / 1000**power) == 1000:
        power += 1
    value, unit = count / 1000**power, ("", "k", "M", "G", "T", "P")[power]
    return f"{value:.1f}{unit}" if unit and value < 9.95 else f"{value:.0f}{unit}"


def _short(name: str) -> str:
    text = figure_text(name)
    return text if len(text) <= MAX_NAME else f"{text[: MAX_NAME - 3]}..."

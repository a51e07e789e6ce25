"""Scores of each class on a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping

from rich.table import Table

from segkit.cli.console.format import plain_table
from segkit.cli.console.stream import Screen, clean

PerClass = Mapping[str, Mapping[str, float | None]]

MAX_CLASSES = 20
SCORES = {
    "iou": "IoU",
    "dice": "Dice",
    "precision": "precision",
    "recall": "recall",
    "iou_per_image": "IoU per image",
}
# Left out in this order, if the screen is narrow.
OPTIONAL = ("iou_per_image", "dice", "images", "precision", "recall")


def print_class_scores(screen: Screen, per_class: PerClass, more: str) -> None:
    """Print a table of the classes, or of those with the lowest IoU if there are many.

    Args:
        screen: where to.
        per_class: as in `summary.json`; prints nothing for a single class.
        more: where all classes are listed.
    """
    names = [*per_class.get("iou", {})]
    if len(names) < 2:
        return
    shown, title = names, "classes"
    if len(names) > MAX_CLASSES:
        shown = sorted(names, key=lambda name: _or(per_class["iou"][name], math.inf))[:MAX_CLASSES]
        title = f"the {MAX_CLASSES} of {len(names)} classes with the lowest IoU; {more} has all"
    screen.line(title, "bold")
    screen.table(_table(per_class, shown, screen.width))


def _table(per_class: PerClass, names: list[str], width: int) -> Table:
    counts = {"pixels": "pixels", "images": "images"}
    columns = {**SCORES, **counts}
    widest = max(len(clean(name)) for name in names)
    for key in OPTIONAL:
        if min(widest, 24) + sum(2 + max(len(title), 7) for title in columns.values()) > width:
            del columns[key]
    table = plain_table()
    table.add_column("class", overflow="fold", style="cyan")
    for title in columns.values():
        table.add_column(title, justify="right", no_wrap=True)
    for name in names:
        cells = (_cell(per_class, key, name, whole=key in counts) for key in columns)
        table.add_row(clean(name), *cells, style="yellow" if not per_class["iou"][name] else "")
    return table


def _cell(per_class: PerClass, key: str, name: str, *, whole: bool) -> str:
    value = _or(per_class.get(key, {}).get(name), math.nan)
    if math.isnan(value):
        return "-"
    return f"{value:,.0f}" if whole else f"{value:.4f}"


def _or(value: float | None, other: float) -> float:
    return other if value is None or math.isnan(value) else value

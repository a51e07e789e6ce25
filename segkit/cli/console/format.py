"""Numbers and values as people read them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from segkit.cli.console.stream import Screen

if TYPE_CHECKING:
    from segkit.core.model_table import Stage


def figure(value: float) -> str:
    """A loss or a score, in seven characters as a rule."""
    return f"{value:.4f}" if abs(value) < 100 else f"{value:.6g}"


def figures(values: Mapping[str, float | None]) -> str:
    """Scores with their names: "iou 0.6400, dice 0.7512"."""
    return ", ".join(
        f"{name} {figure(math.nan if value is None else value)}" for name, value in values.items()
    )


def images_in_words(images: Mapping[str, int]) -> str:
    """Numbers of images: "900 train, 379 test"."""
    return ", ".join(f"{count:,} {split}" for split, count in images.items())


def as_in_recipe(value: Any) -> str:
    """A value as a recipe has it."""
    if isinstance(value, str) and value:
        return value
    if isinstance(value, (str, int, float, list, tuple, dict)) or value is None:
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def print_model(screen: Screen, stages: list[Stage]) -> None:
    """The model table: what goes through, and what it costs."""
    counted = {stage.part for stage in stages if stage.parameters}
    gap = 2 if screen.width >= 72 else 1
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
    for title in ("part", "stage"):
        table.add_column(title, overflow="fold")
    for title in ("output", "parameters", "trainable"):
        table.add_column(title, justify="right", no_wrap=True)
    for stage in stages:
        # Parameters are counted in one row of each part; a 0 in the others would mislead.
        empty = not stage.parameters and stage.part in counted
        costs = ("", "") if empty else (f"{stage.parameters:,}", f"{stage.trainable:,}")
        table.add_row(stage.part, stage.name, " x ".join(map(str, stage.shape)), *costs)
    totals = sum(stage.parameters for stage in stages), sum(stage.trainable for stage in stages)
    table.add_row("total", "", "", *(f"{total:,}" for total in totals), style="bold")
    screen.table(table)


def print_warnings(screen: Screen, warnings: Sequence[str]) -> None:
    """Sentences that the user should not miss."""
    for warning in warnings:
        screen.prose(f"warning: {warning}", "yellow", hang=2)

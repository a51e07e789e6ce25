"""Formatting of numbers, values and tables."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from segkit.analysis.report.format import with_details
from segkit.cli.console.stream import Screen

if TYPE_CHECKING:
    from segkit.core.model_table import Stage


def format_number(value: float) -> str:
    """A loss or score, usually in at most seven characters."""
    return f"{value:z.4f}" if abs(value) < 100 else f"{value:.6g}"


def format_scores(values: Mapping[str, float | None], details: Mapping[str, str] | None = None) -> str:
    """Scores with their names: "iou 0.6400, hd95 (px) 7.5000"."""
    return ", ".join(
        f"{with_details(name, name, details or {})} {format_number(math.nan if value is None else value)}"
        for name, value in values.items()
    )


def images_in_words(images: Mapping[str, int], left_out: int = 0) -> str:
    """Number of images per split: "900 train, 379 test"; "225 of 900 train" if a fraction is used."""
    of = {"train": f" of {images['train'] + left_out:,}"} if left_out else {}
    return ", ".join(f"{count:,}{of.get(split, '')} {split}" for split, count in images.items())


def format_value(value: Any) -> str:
    """A value in the syntax of recipes."""
    if isinstance(value, str) and value:
        return value
    if isinstance(value, (str, int, float, list, tuple, dict)) or value is None:
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def plain_table(gap: int = 2) -> Table:
    """An empty table without borders; columns are separated by `gap` spaces."""
    return Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")


def print_model(screen: Screen, stages: list[Stage]) -> None:
    """Print the model table: output shapes and parameters of every stage."""
    from segkit.core.model_table import parameter_counts  # imports pydantic

    table = plain_table(gap=2 if screen.width >= 72 else 1)
    for title in ("part", "stage"):
        table.add_column(title, overflow="fold")
    for title in ("output", "parameters", "trainable"):
        table.add_column(title, justify="right", no_wrap=True)
    for stage, counts in zip(stages, parameter_counts(stages), strict=True):
        cells = [f"{count:,}" for count in counts] if counts else ["", ""]
        table.add_row(stage.part, stage.name, " x ".join(map(str, stage.shape)), *cells)
    totals = sum(stage.parameters for stage in stages), sum(stage.trainable for stage in stages)
    table.add_row("total", "", "", *(f"{total:,}" for total in totals), style="bold")
    screen.table(table)


def print_warnings(screen: Screen, warnings: Sequence[str]) -> None:
    """Print warnings, one per line."""
    for warning in warnings:
        screen.prose(f"warning: {warning}", "yellow", hang=2)

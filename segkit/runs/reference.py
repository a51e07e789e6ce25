"""The published numbers that a recipe refers to: read once, when a run has ended, and kept with it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.core.errors import SegkitError
from segkit.utils.safe_read import damaged, read_number, read_rows

if TYPE_CHECKING:
    from segkit.recipe.schema import Reference


@dataclass(frozen=True)
class Published:
    """Numbers that somebody published for this experiment.

    Args:
        source: who.
        metrics: best scores by metric.
        epochs: one mapping per epoch, None where nothing is given; empty without a file.
        note: what the reader should know about them, or nothing.
    """

    source: str
    metrics: dict[str, float]
    epochs: list[dict[str, float | None]]
    note: str = ""


def kept_reference(reference: Reference) -> dict[str, Any]:
    """What a run's summary keeps of its recipe's reference: nobody need read the file again.

    A file that is gone or unreadable costs a note, not the report of hours of training.

    Returns:
        `source` and `metrics`; `epochs`, a mapping for each published epoch, None where nothing is given; and
        `note`, a sentence where they could not be read.
    """
    kept: dict[str, Any] = {"source": reference.source, "metrics": reference.metrics, "epochs": []}
    if reference.epochs is not None:
        try:
            kept["epochs"] = read_published(reference.epochs)
        except SegkitError as error:
            there = reference.epochs.exists()
            reason = error.problems[0].problem if there else "it does not exist"
            kept["note"] = f"The published epochs in {reference.epochs} are not shown: {reason}."
    return kept


def read_published(path: Path) -> list[dict[str, float | None]]:
    """The rows of a CSV file with a column `epoch`; empty cells are None.

    Raises:
        SegkitError: if it is missing, or no such table.
    """
    header, rows = read_rows(path)
    if "epoch" not in header:
        raise damaged(path, "it has no column epoch")
    try:
        return [dict(zip(header, map(_finite, row), strict=True)) for row in rows]
    except ValueError as error:
        raise damaged(path, str(error)) from None


def _finite(cell: str) -> float | None:
    value = read_number(cell)
    return value if math.isfinite(value) else None

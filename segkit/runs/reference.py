"""Published scores that a recipe refers to, copied into the run's summary."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.core.errors import SegkitError
from segkit.runs.schema import Published
from segkit.utils.safe_read import corrupt_file, read_number, read_rows

if TYPE_CHECKING:
    from segkit.recipe.schema import Reference


def read_reference(reference: Reference) -> Published:
    """Read a recipe's reference; an unreadable file of epochs becomes a note, not an error."""
    published = Published(source=reference.source, metrics=reference.metrics, epochs=[])
    if reference.epochs is None:
        return published
    try:
        return published.model_copy(update={"epochs": read_published(reference.epochs)})
    except SegkitError as error:
        reason = error.problems[0].problem if reference.epochs.exists() else "it does not exist"
        note = f"The published epochs in {reference.epochs} are not shown: {reason}."
        return published.model_copy(update={"note": note})


def read_published(path: Path) -> list[dict[str, float | None]]:
    """Rows of a CSV file with a column `epoch`; empty cells are None.

    Raises:
        SegkitError: if the file is missing, or not such a table.
    """
    header, rows = read_rows(path)
    if "epoch" not in header:
        raise corrupt_file(path, "it has no column epoch")
    try:
        return [dict(zip(header, map(_finite, row), strict=True)) for row in rows]
    except ValueError as error:
        raise corrupt_file(path, str(error)) from None


def _finite(cell: str) -> float | None:
    value = read_number(cell)
    return value if math.isfinite(value) else None

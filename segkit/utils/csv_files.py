"""CSV files that are safe to open in a spreadsheet."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

# A spreadsheet runs a cell that begins like this (OWASP, CSV Injection);
# an apostrophe in front makes it text.
_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_ESCAPED = re.compile("'" + _FORMULA.pattern)
_SEPARATORS = re.compile('[,;"\t\r\n]')  # a spreadsheet may split cells at semicolons and tabs too


def write_csv(path: Path, rows: Iterable[Sequence[str | float | None]]) -> None:
    """Write rows; None and NaN become empty cells, and no text can run as a formula."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"{','.join(map(_cell, row))}\n" for row in rows)


def original_text(cell: str) -> str:
    """The text that `write_csv` wrote as this cell."""
    return cell[1:] if _ESCAPED.match(cell) else cell


def _cell(value: str | float | None) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(float(value))
    if not isinstance(value, str):
        return "" if value is None else str(value)
    text = f"'{value}" if _FORMULA.match(value) else value
    if not _SEPARATORS.search(text):
        return text
    doubled = text.replace('"', '""')
    return f'"{doubled}"'

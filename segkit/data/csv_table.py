"""CSV files with line numbers."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from segkit.core.errors import DataError, Problem

MAX_BYTES = 400_000_000


def read_table(file: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Read line number and cells of each row of a CSV file; empty lines are left out.

    Args:
        file: path of a comma-separated UTF-8 file with a header.
        columns: required columns; others are allowed.

    Raises:
        DataError: if the file cannot be read, a column is missing, or a row has more cells than the header.
    """
    try:
        if file.exists() and (not file.is_file() or file.stat().st_size > MAX_BYTES):
            raise DataError(f"this is not a regular file of at most {MAX_BYTES:,} bytes", where=str(file))
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened, restval="", restkey="", skipinitialspace=True, strict=True)
            rows = [(reader.line_num, row) for row in reader]
            header = list(reader.fieldnames or [])
    except FileNotFoundError:
        raise DataError("there is no such file", where=str(file)) from None
    except UnicodeDecodeError:
        raise DataError("this is not UTF-8 text", where=str(file), hint="save it as CSV UTF-8") from None
    except (OSError, csv.Error) as error:
        raise DataError(f"the file cannot be read: {error}", where=str(file)) from None
    if missing := [name for name in columns if name not in header]:
        listed = ", ".join(header)
        raise DataError(
            f"there is no column {', '.join(missing)}",
            where=f"{file}:1",
            hint="separate the columns by commas, not semicolons"
            if ";" in listed
            else f"the first line must name the columns; found {listed or 'nothing'}",
        )
    problems = [
        Problem(
            f"this row has more cells than the {len(header)} columns", str(file), line, hint="quote commas"
        )
        for line, row in rows
        if "" in row and "" not in header
    ]
    if problems:
        raise DataError.of(problems)
    return [(line, {key: value for key, value in row.items() if key}) for line, row in rows]

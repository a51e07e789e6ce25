"""CSV files with line numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from segkit.core.errors import DataError, Problem
from segkit.data.text_file import read_text

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}


def read_table(file: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Read line number and cells of each row of a CSV file; empty lines are left out.

    Args:
        file: path of a UTF-8 or UTF-16 file with a header, separated by commas, semicolons or tabs.
        columns: required columns; others are allowed.

    Raises:
        DataError: if the file cannot be read, a column is missing, or a row has more cells than the header.
    """
    text = read_text(file)
    separator = _separator(text)
    try:
        opened = io.StringIO(text, newline="")
        reader = csv.DictReader(
            opened, restval="", restkey="", skipinitialspace=True, strict=True, delimiter=separator
        )
        rows = [(reader.line_num, row) for row in reader]
        header = list(reader.fieldnames or [])
    except csv.Error as error:
        raise DataError(f"the file cannot be read: {error}", where=str(file)) from None
    if missing := [name for name in columns if name not in header]:
        raise DataError(
            f"there is no column {', '.join(missing)}",
            where=f"{file}:1",
            hint=f"the first line must name the columns; found {', '.join(header) or 'nothing'}",
        )
    problems = [
        Problem(
            f"this row has more cells than the {len(header)} columns", str(file), line,
            hint=f"quote {_SEPARATORS[separator]}",
        )
        for line, row in rows
        if "" in row and "" not in header
    ]  # fmt: skip
    if problems:
        raise DataError.of(problems)
    return [(line, {key: value for key, value in row.items() if key}) for line, row in rows]


def read_rows(file: Path, columns: tuple[str, str]) -> list[tuple[int, tuple[str, str]]]:
    """Read line number and cells of a text file of two columns.

    Args:
        file: path of a UTF-8 or UTF-16 file, separated by commas, semicolons, tabs or spaces.
        columns: names of the columns, if a header names them among others.

    Raises:
        DataError: if the file cannot be read, or a line has not two cells.
    """
    text = read_text(file)
    separator = _separator(text)
    if separator not in text:
        lines = [(number, line.split()) for number, line in enumerate(text.splitlines(), start=1)]
    else:
        try:
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
            lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
        except csv.Error as error:
            raise DataError(f"the file cannot be read: {error}", where=str(file)) from None
    lines = [(number, row) for number, row in lines if any(row)]
    if lines and {*columns} <= {*lines[0][1]}:
        return [(line, (row[columns[0]], row[columns[1]])) for line, row in read_table(file, columns)]
    if wrong := next(((number, row) for number, row in lines if len(row) != 2), None):
        problem = f"a line has {' and '.join(columns)}; this one has {len(wrong[1])} cells"
        hint = f"remove the others, or name the columns {' and '.join(columns)} in the first line"
        raise DataError(problem, where=f"{file}:{wrong[0]}", hint=hint)
    return [(number, (row[0], row[1])) for number, row in lines]


def _separator(text: str) -> str:
    """The separator of the header: the one that divides it into most cells."""
    header = text.lstrip("\r\n").partition("\n")[0]
    return max(_SEPARATORS, key=header.count)

"""A `Comparison` becomes files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segkit.analysis.comparison.markdown import write_csv, write_markdown
from segkit.analysis.comparison.page import write_page
from segkit.analysis.comparison.result import Comparison
from segkit.core.errors import SegkitError
from segkit.runs.run_dir import write_json
from segkit.utils.atomic import replaced
from segkit.utils.os_errors import cannot_write
from segkit.utils.safe_read import read_json


def make_folder(folder: Path) -> None:
    """Make the folder that a comparison is written to.

    Raises:
        SegkitError: if that cannot be; better known before hours of training than after them.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"the folder for the comparison cannot be made: {error.strerror}"
        raise SegkitError(problem, where=str(folder), hint="--out with another place") from error


def folder_for(comparison: Comparison, wanted: Path) -> Path:
    """Where to write a comparison: the wanted folder, or one beside it where that holds another comparison.

    Args:
        comparison: what was found.
        wanted: the folder it goes to if it is the only one of its names.

    Returns:
        The same folder for the same runs and metric, so that the same command writes to the same place.
    """
    folder, number = wanted, 1
    while (file := folder / "comparison.json").is_file() and _written(file) != _what(comparison.as_json()):
        number += 1
        folder = wanted.with_name(f"{wanted.name}-{number}")
    return folder


def _written(file: Path) -> tuple[object, list[str]] | None:
    """What a file compares; None if that is not to be known: it is then another's, and is left alone."""
    try:
        return _what(read_json(file))
    except (SegkitError, TypeError, KeyError):
        return None


def _what(document: Mapping[str, Any]) -> tuple[object, list[str]]:
    """What a document compares."""
    return document["metric"], sorted(run for place in document["ranking"] for run in place["runs"])


def write_comparison(comparison: Comparison, folder: Path) -> list[Path]:
    """Write `comparison.html`, `.md`, `.csv` and `.json` into a folder; the page comes first.

    The same comparison gives the same bytes every time.

    Raises:
        TrainingError: if they cannot be written; those that are there are whole.
    """
    make_folder(folder)
    page, markdown, table, document = (
        folder / f"comparison.{ending}" for ending in ("html", "md", "csv", "json")
    )
    try:
        for file, write in ((page, write_page), (markdown, write_markdown), (table, write_csv)):
            with replaced(file) as temporary:
                write(comparison, temporary)
        write_json(document, comparison.as_json())
    except OSError as error:
        again = "the same command again, or --out with another place"
        raise cannot_write(error, folder, again) from error
    return [page, markdown, table, document]

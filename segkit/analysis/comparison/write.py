"""A `Comparison` becomes files."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from segkit.analysis.comparison.markdown import write_csv, write_markdown
from segkit.analysis.comparison.page import write_page
from segkit.analysis.comparison.result import Comparison
from segkit.core.errors import SegkitError
from segkit.runs.run_dir import write_json
from segkit.utils.atomic import atomic_write
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
    compared = _Compared.model_validate(comparison.as_json()).runs
    while (file := folder / "comparison.json").is_file() and _written(file) != compared:
        number += 1
        folder = wanted.with_name(f"{wanted.name}-{number}")
    return folder


class _Runs(BaseModel):
    runs: list[str]


class _Compared(BaseModel):
    """What a comparison.json compares."""

    metric: str
    ranking: list[_Runs]

    @property
    def runs(self) -> tuple[str, list[str]]:
        """Metric and runs, whatever the ranking."""
        return self.metric, sorted(run for place in self.ranking for run in place.runs)


def _written(file: Path) -> tuple[str, list[str]] | None:
    """What a file compares; None if that is not to be known: it is then another's, and is left alone."""
    try:
        return read_json(file, _Compared).runs
    except SegkitError:
        return None


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
            with atomic_write(file) as temporary:
                write(comparison, temporary)
        write_json(document, comparison.as_json())
    except OSError as error:
        again = "the same command again, or --out with another place"
        raise cannot_write(error, folder, again) from error
    return [page, markdown, table, document]

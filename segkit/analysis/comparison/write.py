"""Files of a comparison."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from segkit.analysis.comparison.markdown import write_csv, write_markdown
from segkit.analysis.comparison.page import write_page
from segkit.analysis.comparison.result import Comparison
from segkit.core.errors import SegkitError
from segkit.runs.run_dir import write_json
from segkit.utils.atomic import atomic_folder
from segkit.utils.os_errors import cannot_write
from segkit.utils.safe_read import read_json


def make_folder(folder: Path) -> None:
    """Create the folder for a comparison.

    Raises:
        SegkitError: if it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"cannot create the folder for the comparison: {error.strerror}"
        raise SegkitError(problem, where=str(folder), hint="--out with another folder") from error


def folder_for(comparison: Comparison, preferred: Path) -> Path:
    """Folder to write a comparison to; the same runs and metric always get the same folder.

    Args:
        comparison: comparison to write.
        preferred: folder to use; with a number appended if it holds another comparison.
    """
    folder, number = preferred, 1
    compared = _Compared.model_validate(comparison.as_json()).runs
    while (file := folder / "comparison.json").is_file() and _compared_in(file) != compared:
        number += 1
        folder = preferred.with_name(f"{preferred.name}-{number}")
    return folder


class _Runs(BaseModel):
    runs: list[str]


class _Compared(BaseModel):
    metric: str
    ranking: list[_Runs]

    @property
    def runs(self) -> tuple[str, list[str]]:
        """Metric and runs, independent of the ranking."""
        return self.metric, sorted(run for entry in self.ranking for run in entry.runs)


def _compared_in(file: Path) -> tuple[str, list[str]] | None:
    try:  # a damaged file counts as another comparison and is kept
        return read_json(file, _Compared).runs
    except SegkitError:
        return None


def write_comparison(comparison: Comparison, folder: Path) -> list[Path]:
    """Write `comparison.html`, `.md`, `.csv` and `.json` into a folder; reproducible byte for byte.

    Returns:
        Paths of the files, the page first.

    Raises:
        TrainingError: if a file cannot be written; existing files are unchanged.
    """
    make_folder(folder)
    names = page, markdown, table, document = [
        f"comparison.{ending}" for ending in ("html", "md", "csv", "json")
    ]
    try:
        with atomic_folder(folder) as new:
            write_page(comparison, new / page)
            write_markdown(comparison, new / markdown)
            write_csv(comparison, new / table)
            write_json(new / document, comparison.as_json())
    except OSError as error:
        again = "the same command again, or --out with another folder"
        raise cannot_write(error, folder, again) from error
    return [folder / name for name in names]

"""Files of a comparison."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from segkit.analysis.comparison.markdown import write_csv, write_markdown
from segkit.analysis.comparison.page import write_page
from segkit.analysis.comparison.result import Comparison
from segkit.core.errors import SegkitError
from segkit.runs.run_dir import write_json
from segkit.utils.atomic import atomic_folder
from segkit.utils.os_errors import cannot_write
from segkit.utils.public_text import public_command, public_data, public_folder
from segkit.utils.result_folder import make_folder, numbered_folder, other_folder
from segkit.utils.safe_read import read_json


def folder_for(comparison: Comparison, preferred: Path) -> Path:
    """Folder to write a comparison to; the same runs and metric always get the same folder.

    Args:
        comparison: comparison to write.
        preferred: folder to use; with a number appended if it holds another comparison.
    """
    compared = _compared(comparison)

    def is_taken(folder: Path) -> bool:
        file = folder / "comparison.json"
        return file.is_file() and _compared_in(file) != compared

    return numbered_folder(preferred, is_taken)


class _Written(BaseModel):
    compared: str


def _compared(comparison: Comparison) -> str:
    """Digest of metric, runs and resolution, independent of the ranking."""
    runs = (run for candidate in comparison.candidates for run in candidate.runs)
    own_size = ["native"] if comparison.native else []
    compared = [comparison.metric, *sorted(str(run.path) for run in runs), *own_size]
    return hashlib.sha256("\0".join(compared).encode()).hexdigest()


def _compared_in(file: Path) -> str | None:
    try:  # a damaged file counts as another comparison and is kept
        return read_json(file, _Written).compared
    except SegkitError:
        return None


def _document(comparison: Comparison) -> dict[str, Any]:
    """Content of `comparison.json`: that of `--json`, without the folders of this machine."""
    document = comparison.as_json()
    for entry, candidate in zip(document["ranking"], comparison.candidates, strict=True):
        entry["runs"] = [public_folder(run.path) for run in candidate.runs]
    command = public_command(comparison.command)
    return {**public_data(document), "command": command, "compared": _compared(comparison)}


def write_comparison(comparison: Comparison, folder: Path) -> list[Path]:
    """Write `comparison.html`, `.md`, `.csv` and `.json` into a folder; reproducible byte for byte.

    Returns:
        Paths of the files, the page first.

    Raises:
        TrainingError: if a file cannot be written; existing files are unchanged.
    """
    make_folder(folder, "comparison")
    try:
        with atomic_folder(folder) as new:
            write_page(comparison, new / "comparison.html")
            write_markdown(comparison, new / "comparison.md")
            write_csv(comparison, new / "comparison.csv")
            write_json(new / "comparison.json", _document(comparison))
    except OSError as error:
        again = f"the same again, or {other_folder()}"
        raise cannot_write(error, folder, again) from error
    return [folder / f"comparison.{ending}" for ending in ("html", "md", "csv", "json")]

"""Output folder of an evaluation. No torch."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.core.errors import SegkitError

if TYPE_CHECKING:
    from segkit.runs.run_dir import RunDir

SCORES, DOCUMENT, PAGE, WORST = "scores.csv", "scores.json", "index.html", "worst"
CLASS_SCORES = "class_scores.csv"
_IMAGE = re.compile(r"\d\d_.*\.jpg")


def check_out_folder(folder: Path, runs: Sequence[RunDir]) -> None:
    """Check that a folder is new, empty, or holds an earlier evaluation only, and is not inside a run.

    Raises:
        SegkitError: naming the files in the way.
    """
    hint = "choose a new folder for --out"
    for run in runs:
        if Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(run.path)):
            raise SegkitError("this folder is inside a run directory", where=str(folder), hint=hint)
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise SegkitError("not a folder", where=str(folder), hint=hint)
    files = folder.iterdir() if folder.is_dir() else ()
    if others := sorted(path.name for path in files if not _is_evaluation(path)):
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        problem = f"the folder contains other files: {', '.join(others[:3])}{more}"
        raise SegkitError(problem, where=str(folder), hint=hint)


def worst_image_files(folder: Path) -> list[Path]:
    """Files of the worst images that an evaluation wrote."""
    return [path for path in (folder / WORST).glob("*") if _IMAGE.fullmatch(path.name)]


def _is_evaluation(path: Path) -> bool:
    if path.name == WORST and path.is_dir():
        return all(_IMAGE.fullmatch(inside.name) for inside in path.iterdir())
    return path.name in (SCORES, CLASS_SCORES, DOCUMENT, PAGE) and path.is_file()

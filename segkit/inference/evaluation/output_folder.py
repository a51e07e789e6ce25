"""The folder that an evaluation is written to. No torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.core.errors import SegkitError

if TYPE_CHECKING:
    from segkit.runs.run_dir import RunDir

SCORES, DOCUMENT, PAGE, WORST = "scores.csv", "scores.json", "index.html", "worst"
_PICTURE = re.compile(r"\d\d_.*\.jpg")


def refuse_folder(folder: Path, runs: Sequence[RunDir]) -> None:
    """See to it that nothing is lost: an evaluation goes to a new folder, or to where another one was.

    Args:
        folder: that somebody wants it in.
        runs: that are scored; nothing in their directories is changed.

    Raises:
        SegkitError: naming what is in the way.
    """
    hint = "--out with a new folder"
    for run in runs:
        if folder.resolve().is_relative_to(run.path.resolve()):
            raise SegkitError("this is inside the directory of a run", where=str(folder), hint=hint)
    if folder.exists() and not folder.is_dir():
        raise SegkitError("this is no folder", where=str(folder), hint=hint)
    if others := sorted(
        path.name for path in (folder.iterdir() if folder.is_dir() else ()) if not _is_ours(path)
    ):
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        raise SegkitError(f"the folder holds {', '.join(others[:3])}{more}", where=str(folder), hint=hint)


def old_pictures(folder: Path) -> list[Path]:
    """The pictures that an evaluation before has left in a folder."""
    return [path for path in (folder / WORST).glob("*") if _PICTURE.fullmatch(path.name)]


def _is_ours(path: Path) -> bool:
    if path.name == WORST and path.is_dir():
        return all(_PICTURE.fullmatch(inside.name) for inside in path.iterdir())
    return path.name in (SCORES, DOCUMENT, PAGE) and path.is_file()

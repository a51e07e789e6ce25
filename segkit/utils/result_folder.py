"""Folders for the results of a command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from segkit.core.errors import SegkitError, worded


def make_folder(folder: Path, what: str, hint: str = "") -> None:
    """Create a folder.

    Raises:
        SegkitError: if it cannot be created; names `what` it is for, such as ``comparison``, and gives the
            hint, by default to choose another folder with --out.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"cannot create the folder for the {what}: {error.strerror}"
        raise SegkitError(problem, where=str(folder), hint=hint or other_folder()) from error


def numbered_folder(preferred: Path, is_taken: Callable[[Path], bool]) -> Path:
    """The preferred folder, with a number appended if that is taken by another result."""
    folder, number = preferred, 1
    while is_taken(folder):
        number += 1
        folder = preferred.with_name(f"{preferred.name}-{number}")
    return folder


def other_folder() -> str:
    """Hint to choose another folder."""
    return f"{worded('--out', 'the argument out')} with another folder"

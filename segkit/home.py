"""The user's own segkit folder, for weights and data sets that many recipes share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def home() -> Path:
    """``$SEGKIT_HOME``, or the user's cache folder; it holds ``data/`` and ``weights/``."""
    if chosen := os.environ.get("SEGKIT_HOME"):
        return Path(chosen).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser().absolute() / "segkit"


def resolve(path: str, written_in: str) -> Path:
    """The absolute path that a recipe means.

    Relative paths count from the folder of the file they are written in, or else from `home()`.
    `~` and environment variables are expanded.

    Args:
        path: as the user wrote it.
        written_in: the recipe file; the current folder counts for a value from the command line.
    """
    wanted = Path(os.path.expandvars(path)).expanduser()
    if wanted.is_absolute():
        return wanted
    folder = Path(written_in).parent if Path(written_in).is_file() else Path()
    beside = Path(os.path.normpath(folder.absolute() / wanted))
    shared = home() / Path(*(piece for piece in wanted.parts if piece != ".."))
    return shared if not beside.exists() and shared.exists() else beside


def resolved(value: Any) -> Any:
    """For pydantic: `resolve` for text that may know the recipe file it was written in."""
    return resolve(value, getattr(value, "file", "")) if isinstance(value, str) else value

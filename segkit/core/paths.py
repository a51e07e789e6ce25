"""The user's own segkit folder, for weights and data sets that many recipes share; and what a path means."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

WEIGHTS_ENDINGS = (".safetensors", ".pth", ".pt", ".bin", ".tar")


def home() -> Path:
    """``$SEGKIT_HOME``, or the user's cache folder; it holds ``data/`` and ``weights/``."""
    if chosen := os.environ.get("SEGKIT_HOME"):
        return _expanded(chosen).absolute()
    return _expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache").absolute() / "segkit"


def cache_folder() -> Path:
    """``$SEGKIT_CACHE``, or ``cache`` in the user's cache folder: what can be made again, and is written.

    It is not in `home()`, which may be shared by many and read-only.
    """
    if chosen := os.environ.get("SEGKIT_CACHE"):
        return _expanded(chosen).absolute()
    return _expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache").absolute() / "segkit" / "cache"


def resolve(path: str, written_in: str, *, inside: str = "") -> Path:
    """The absolute path that a recipe means.

    Relative paths count from the folder of the file they are written in, or else from `home()`.
    `~` and environment variables are expanded.

    Args:
        path: as the user wrote it.
        written_in: the recipe file; the current folder counts for a value from the command line.
        inside: a folder of `home()` that is looked into as well.

    Raises:
        ValueError: if nothing can be looked for there.
    """
    wanted = _expanded(path)
    if wanted.is_absolute():
        places = [Path(os.path.normpath(wanted))]
    else:
        folder = Path(written_in).parent if Path(written_in).is_file() else Path()
        shared = Path(*(piece for piece in wanted.parts if piece != ".."))
        places = [Path(os.path.normpath(folder.absolute() / wanted)), home() / shared]
        places += [home() / inside / shared] if inside else []
    return next((place for place in places if _exists(place)), places[0])


def resolved(value: Any) -> Any:
    """For pydantic: `resolve` for text that may know the recipe file it was written in."""
    return resolve(value, getattr(value, "file", "")) if isinstance(value, str) else value


def is_weights_file(weights: str) -> bool:
    """Whether `weights` is meant as a file: it has the ending of one, or a folder in front."""
    return weights.endswith(WEIGHTS_ENDINGS) or "/" in weights or "\\" in weights


def _resolved_weights(value: Any) -> Any:
    if not isinstance(value, str) or not is_weights_file(value):
        return value
    return str(resolve(value, getattr(value, "file", ""), inside="weights"))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:  # a name that is too long, a folder that is closed
        raise ValueError(f"no file can be looked for at {path}: {error.strerror}") from None


def _expanded(path: str) -> Path:
    """With `~` and environment variables filled in, where there are any of that name."""
    return Path(os.path.expanduser(os.path.expandvars(path)))


RecipePath = Annotated[Path, BeforeValidator(resolved)]
"""A path that counts from the recipe it is written in."""

Weights = Annotated[str, BeforeValidator(_resolved_weights)]
"""The name of pretrained weights, or a file that counts from the recipe it is written in."""

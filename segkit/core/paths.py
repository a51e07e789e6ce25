"""The user's data, weights and cache folders, and the resolution of relative paths."""

from __future__ import annotations

import os
import re
import shlex
import sys
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from unicodedata import normalize

from platformdirs import user_cache_path
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]) *(\..*)?", re.IGNORECASE | re.DOTALL)
_PLAIN_WORD = re.compile(r"[\w:\\/.,=+-]+")
_EXPANDED = re.compile('["\N{LEFT DOUBLE QUOTATION MARK}-\N{DOUBLE LOW-9 QUOTATION MARK}`$]')
WEIGHTS_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".tar")
INSTALLED_RECIPES = Path(__file__).parents[1] / "recipes"  # a checkout has them beside the package


def home() -> Path:
    """Folder of ``data/`` and ``weights/``: ``$SEGKIT_HOME``, or the user's cache folder."""
    if chosen := os.environ.get("SEGKIT_HOME"):
        return _expanded(chosen).absolute()
    return _user_cache()


def cache_folder() -> Path:
    """Folder of decoded images: ``$SEGKIT_CACHE``, or ``segkit/cache`` in the user's cache folder.

    It is separate from `home()`, which may be shared and read-only.
    """
    if chosen := os.environ.get("SEGKIT_CACHE"):
        return _expanded(chosen).absolute()
    return _user_cache() / "cache"


def _user_cache() -> Path:
    return user_cache_path("segkit", appauthor=False).expanduser().absolute()


def resolve(path: str, written_in: str, *, inside: str = "") -> Path:
    """The absolute path for a path in a recipe.

    Relative paths are looked up in the folder of the recipe, then in `home()`; those that lead out of the
    folder of installed recipes only in `home()`. `~` and environment variables are expanded.

    Args:
        path: path as written by the user.
        written_in: recipe file; for command-line values the current folder is used.
        inside: additional folder of `home()` to look in.

    Raises:
        ValueError: if the path cannot be accessed.
    """
    expanded = _expanded(path)
    if expanded.is_absolute():
        places = [Path(os.path.normpath(expanded))]
    else:
        folder = Path(written_in).parent if Path(written_in).is_file() else Path()
        shared = Path(*(piece for piece in expanded.parts if piece != ".."))
        beside = Path(os.path.normpath(folder.absolute() / expanded))
        is_outside = folder == INSTALLED_RECIPES and folder not in beside.parents  # among the packages
        places = [] if is_outside else [beside]
        places += [home() / shared, *([home() / inside / shared] if inside else [])]
    return next((place for place in map(as_stored, places) if _exists(place)), places[0])


def as_stored(path: Path) -> Path:
    """The path with its names in composed or decomposed Unicode, as the file system has them."""
    if str(path).isascii() or os.path.lexists(path):
        return path
    parent = as_stored(path.parent)
    spellings = (parent / normalize(form, path.name) for form in ("NFC", "NFD"))
    return next(filter(os.path.lexists, spellings), path)


def resolved(value: Any) -> Any:
    """Validator for pydantic: `resolve` a string, which may know its recipe file."""
    return resolve(value, getattr(value, "file", "")) if isinstance(value, str) else value


@cache
def ignores_case(folder: Path) -> bool:
    """Whether two names that differ in upper and lower case are one file there; the folder may be missing."""
    for path in (folder.absolute(), *folder.absolute().parents):
        other = path.with_name(path.name.swapcase()) if path.name else path
        if other != path and path.exists():
            return other.exists() and other.samefile(path)
    return False


def quoted(path: Path | str) -> str:
    """A path as one word of a command line.

    On Windows it is one for cmd and PowerShell; what PowerShell expands between quotes becomes "?".
    """
    text = str(path)
    if sys.platform != "win32":
        return shlex.quote(text)
    if _PLAIN_WORD.fullmatch(text):
        return text
    end = "\\" if text.endswith("\\") else ""  # else it would escape the mark behind it
    return f'"{_EXPANDED.sub("?", text)}{end}"'


def is_reserved(name: str) -> bool:
    """Whether Windows keeps the name of a file for a device, with any extension: ``aux``, ``con.txt``."""
    return bool(_DEVICE.fullmatch(name))


def is_weights_file(weights: str) -> bool:
    """Whether `weights` is a path and not a name: it has a file suffix or a folder."""
    return weights.endswith(WEIGHTS_SUFFIXES) or "/" in weights or "\\" in weights


def _resolved_weights(value: Any) -> Any:
    if value is None:
        found = {"error": "found null, allowed: text", "hint": "weights: none for random initialisation"}
        raise PydanticCustomError("value_error", "{error}", found)
    if not isinstance(value, str) or not is_weights_file(value):
        return value
    return str(resolve(value, getattr(value, "file", ""), inside="weights"))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:  # name too long, no permission
        raise ValueError(f"cannot access {path}: {error.strerror}") from None


def _expanded(path: str) -> Path:
    return Path(os.path.expanduser(os.path.expandvars(path)))


RecipePath = Annotated[Path, BeforeValidator(resolved)]
"""A path relative to the recipe it is written in."""

Weights = Annotated[str, BeforeValidator(_resolved_weights)]
"""Name of pretrained weights, or a weights file relative to the recipe."""

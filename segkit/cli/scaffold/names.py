"""Which names a new part can have."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys

from segkit.cli.scaffold.render import camel, words_in_use
from segkit.core.errors import SegkitError

LONGEST = 40  # lines of the code have room for that
_SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_YAML_WORDS = ("true", "false", "null")


def check_name(kind: str, name: str) -> None:
    """Refuse a name that the part, its folder, its class or its test could not have.

    Args:
        kind: of the part, singular.
        name: as the user gave it.

    Raises:
        SegkitError: with a name that would do.
    """
    if not _SNAKE_CASE.fullmatch(name):
        suggestion = _snake_case(name)
        good = suggestion if _SNAKE_CASE.fullmatch(suggestion) else f"my_{kind}"
        raise SegkitError(
            f"{name!r} is not a valid name for a {kind}: small letters, digits and single _, a letter first",
            hint=_free(kind, good),
        )
    if len(name) > LONGEST:
        raise SegkitError(
            f"{name!r} is not a valid name for a {kind}: at most {LONGEST} characters", hint="a shorter one"
        )
    if reason := _reason_against(kind, name):
        problem = f"{name!r} cannot be the name of a {kind}: {reason}"
        raise SegkitError(problem, hint=_free(kind, f"my_{name}"))


def _reason_against(kind: str, name: str) -> str:
    """Why a name in snake_case will not do; "" if it will."""
    if keyword.iskeyword(name) or name in _YAML_WORDS:
        return f"it is a word of {'Python' if keyword.iskeyword(name) else 'YAML'}"
    if name.startswith("test"):
        return "pytest would take it for a test"
    if name in sys.stdlib_module_names or _is_installed(name):
        return "Python has a module of that name, which its test would import instead"
    if used := {name, camel(name)} & words_in_use(kind):
        return f"its own code needs the word {min(used)!r}"
    return ""


def _is_installed(name: str) -> bool:
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None  # any folder in the working directory has a spec


def _free(kind: str, name: str) -> str:
    """The name, or else one that is free of all that speaks against it."""
    return f"my_{name}" if _reason_against(kind, name) else name


def _snake_case(name: str) -> str:
    """As near to the name as snake_case can be: "MyDec-2" -> "my_dec_2"."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+", "_", name)
    return parted.strip("_").lower() if name.isascii() else ""

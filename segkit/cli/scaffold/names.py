"""Validation of names of new parts."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys

from segkit.cli.scaffold.render import camel_case, names_in_templates
from segkit.core.errors import SegkitError
from segkit.core.paths import is_reserved

MAX_LENGTH = 40  # longer names would exceed the line length of the templates
_SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def check_name(kind: str, name: str) -> None:
    """Refuse a name that is not valid for a part, its folder, its class or its test.

    Args:
        kind: kind of the part, singular.
        name: proposed name.

    Raises:
        SegkitError: if the name is not valid; its hint is a valid name.
    """
    invalid = f"{name!r} is not a valid name for a {kind}"
    if not _SNAKE_CASE.fullmatch(name):
        snake_case = _to_snake_case(name)
        valid = snake_case if _SNAKE_CASE.fullmatch(snake_case) else f"my_{kind}"
        raise SegkitError(
            f"{invalid}: use lower-case letters, digits and single _, starting with a letter",
            hint=_without_conflict(kind, valid),
        )
    if len(name) > MAX_LENGTH:
        raise SegkitError(
            f"{invalid}: it has more than {MAX_LENGTH} characters", hint="choose a shorter name"
        )
    if conflict := _conflict(kind, name):
        raise SegkitError(f"{invalid}: {conflict}", hint=_without_conflict(kind, f"my_{name}"))


def _conflict(kind: str, name: str) -> str:
    if keyword.iskeyword(name):
        return "it is a Python keyword"
    if name in ("true", "false", "null"):
        return "it is a YAML keyword"
    if is_reserved(name):
        return "Windows keeps this name for a device"
    if name.startswith("test"):
        return "pytest would collect it as a test"
    if name in sys.stdlib_module_names or _is_installed(name):
        return "a Python module has this name, and the test would import that module"
    if used := {name, camel_case(name)} & names_in_templates(kind):
        return f"the template already uses the name {min(used)!r}"
    return ""


def _without_conflict(kind: str, name: str) -> str:
    return f"my_{name}" if _conflict(kind, name) else name


def _is_installed(name: str) -> bool:
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None  # any folder in the working directory has a spec


def _to_snake_case(name: str) -> str:
    separated = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+", "_", name)
    return separated.strip("_").lower() if name.isascii() else ""

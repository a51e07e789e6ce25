"""Comments in the text of a recipe that segkit writes."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import wrap

_COLUMNS = 100


def with_comments(text: str, comments: Mapping[str, str]) -> str:
    """YAML of `write_yaml` with comments above the lines of these keys, of the first two levels."""
    lines = []
    for line in text.splitlines(keepends=True):
        indent = "  " if line.startswith("  ") else ""
        key, colon, _ = line.removeprefix(indent).partition(":")  # deeper lines begin with a space
        comment = comments.get(key, "") if colon else ""
        lines += [*(f"{indent}# {part}\n" for part in wrap(comment, _COLUMNS)), line]
    return "".join(lines)

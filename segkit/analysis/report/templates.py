"""Jinja environments for HTML and Markdown; values are escaped."""

from __future__ import annotations

import base64
import re
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

LONG_WORD = 12  # characters


def templates(*folders: str, **options: Any) -> Environment:
    """Jinja environment for HTML.

    Args:
        folders: folders of segkit with templates; of equal names the first is used.
        options: options of `jinja2.Environment`.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("segkit", folder) for folder in folders]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,
    )
    environment.filters["data_uri"] = _data_uri
    environment.filters["breakable"] = _breakable
    return environment


def markdown_templates(*folders: str) -> Environment:
    """Jinja environment for Markdown; values become one literal line, also in table cells."""
    return templates(*folders, finalize=_escape_markdown)


def _breakable(text: str) -> Markup:
    """A text whose long words may be broken after `_`, `-`, `.` and the like."""
    words = re.split(r"(\s+)", text)
    pieces = (re.split(r"(?<=[-_./+:,=])", word) if len(word) > LONG_WORD else [word] for word in words)
    return Markup("").join(Markup("<wbr>").join(filter(None, word)) for word in pieces)


def _data_uri(content: bytes) -> str:
    kinds = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg"}
    kind = next((kind for start, kind in kinds.items() if content.startswith(start)), "image/svg+xml")
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _escape_markdown(value: Any) -> Any:
    if isinstance(value, Markup):
        return value
    text = str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*\[\]|~]|(?<!\w)_|_(?!\w)|^#)", r"\\\1", text)
    return Markup(" ".join(text.split()))

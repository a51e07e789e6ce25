"""Jinja environments for HTML and Markdown; values are escaped."""

from __future__ import annotations

import base64
import re
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from segkit.utils.public_text import public_folder, public_text

LONG_WORD = 12  # characters


def templates(*folders: str, **options: Any) -> Environment:
    """Jinja environment for HTML; absolute paths in values are reduced to their last names.

    Args:
        folders: folders of segkit with templates; of equal names the first is used.
        options: options of `jinja2.Environment`.
    """
    options.setdefault("finalize", _public)
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
    environment.filters["folder"] = public_folder
    return environment


def markdown_templates(*folders: str) -> Environment:
    """Jinja environment for Markdown; values become one literal line, also in table cells."""
    return templates(*folders, finalize=_escape_markdown)


def _breakable(text: str) -> Markup:
    """A text whose long words may be broken after `_`, `-`, `.` and the like."""
    words = re.split(r"(\s+)", public_text(text))
    pieces = (re.split(r"(?<=[-_./+:,=])", word) if len(word) > LONG_WORD else [word] for word in words)
    return Markup("").join(Markup("<wbr>").join(filter(None, word)) for word in pieces)


def _public(value: Any) -> Any:
    return public_text(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _data_uri(content: bytes) -> Markup:
    kinds = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg"}
    kind = next((kind for start, kind in kinds.items() if content.startswith(start)), "image/svg+xml")
    return Markup(f"data:{kind};base64,{base64.b64encode(content).decode()}")


def _escape_markdown(value: Any) -> Any:
    if isinstance(value, Markup):
        return value
    text = public_text(str(value)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*\[\]|~]|(?<!\w)_|_(?!\w)|^#)", r"\\\1", text)
    return Markup(" ".join(text.split()))

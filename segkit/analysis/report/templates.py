"""How the templates of every page are read: what stands in them is text, never markup."""

from __future__ import annotations

import base64
import re
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def templates(*rooms: str, **options: Any) -> Environment:
    """The templates of some rooms of segkit, and what all of them share.

    Args:
        rooms: folders; where two have a file of one name, the first one's is taken.
        options: of jinja.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("segkit", room) for room in rooms]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,
    )
    environment.filters["data_uri"] = _data_uri
    return environment


def markdown_templates(*rooms: str) -> Environment:
    """The same for Markdown: text is shown literally, on one line, also inside a table's cell."""
    return templates(*rooms, finalize=_markdown)


def _data_uri(content: bytes) -> str:
    kinds = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg"}
    kind = next((kind for start, kind in kinds.items() if content.startswith(start)), "image/svg+xml")
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _markdown(value: Any) -> Any:
    if isinstance(value, Markup):
        return value
    text = str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*\[\]|~]|(?<!\w)_|_(?!\w)|^#)", r"\\\1", text)
    return Markup(" ".join(text.split()))

"""How the methods section names a part of a recipe: name, citation, options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from segkit.analysis.paper.latex import code, escape
from segkit.analysis.paper.references import Citations
from segkit.analysis.paper.subject import Subject
from segkit.core.registry import REGISTRIES
from segkit.recipe.part_schema import PARTS

_COMMON_KEYS = {part.kind: part.common_keys() for part in PARTS.values()}  # sentences of their own say them


def name_text(subject: Subject, kind: str, name: str, citations: Citations) -> str:
    """Name of a part with the citation of its publication; those of plugins have none."""
    cited = "" if f"{kind} {name}" in subject.plugin_parts else citations.part(kind, name)
    return code(name) + cited


def options_text(kind: str, part: Mapping[str, Any], told: Mapping[str, str] | None = None) -> str:
    r"""`` (\texttt{limit} [-15, 15])``: the options that differ from their defaults; "" if there are none.

    All options are listed of a part that is not registered here, as its defaults are not known.

    Args:
        kind: kind of the part.
        part: the part as in a complete recipe.
        told: options that the sentence says elsewhere, by their text if it is to stand first in the brackets.
    """
    told = told or {}
    entry = REGISTRIES[kind].get(str(part["name"]))
    defaults = {key: option.default for key, option in entry.options.items()} if entry else {}
    first = [text for key, text in told.items() if text and key in part]
    others = [
        f"{code(key)} {escape(_inline(value))}"
        for key, value in part.items()
        if key not in (*told, *_COMMON_KEYS[kind])
        and not (key in defaults and _inline(value) == _inline(defaults[key]))
    ]
    return f" ({', '.join([*first, *others])})" if first or others else ""


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_inline(item)}' for key, item in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_inline, value))}]"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)

"""Class colours of RGB-coded masks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from segkit.core.errors import PartError
from segkit.core.types import Task
from segkit.data.masks import Colours

ColourText = Annotated[str, Field(pattern="^#[0-9a-fA-F]{6}$")]


def colours_for(task: Task, colours: Mapping[str, str] | None) -> Colours | None:
    """Class index by (red, green, blue).

    Args:
        task: task whose classes are the names; for binary also "background", black by default, and "ignore"
            if the task ignores a value.
        colours: "#rrggbb" by class name.

    Raises:
        PartError: if a class has no colour, two have the same, or a name is not a class.
    """
    if colours is None:
        return None
    indices = {name: index for index, name in enumerate(task.classes, start=task.kind == "binary")}
    named = dict(colours)
    if task.kind == "binary":
        indices["background"] = 0
        named.setdefault("background", "#000000")
    missing = [name for name in indices if name not in named]
    if task.ignore_index is not None:
        indices["ignore"] = task.ignore_index
    unknown = [name for name in named if name not in indices]
    if missing or unknown:
        problems = [f"no colour for {', '.join(missing)}"] if missing else []
        problems += [f"no class is called {', '.join(unknown)}"] if unknown else []
        raise PartError(f"data.source.colours: {'; '.join(problems)}", hint=f"name {', '.join(indices)}")
    by_colour = {_rgb(named[name]): index for name, index in indices.items() if name in named}
    if len(by_colour) < len(named):
        raise PartError(
            "data.source.colours: two classes have the same colour", hint="give each class its own colour"
        )
    return by_colour


def _rgb(text: str) -> tuple[int, int, int]:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)

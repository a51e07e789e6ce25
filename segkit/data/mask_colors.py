"""Colours of classes in RGB-coded masks."""

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
        task: its classes are the names to use; for binary "background" too, which is black unless said
            otherwise. Where the task ignores a value, "ignore" may have a colour.
        colours: "#rrggbb" by class name.

    Raises:
        PartError: if a class has no colour, two have the same, or a name is no class.
    """
    if colours is None:
        return None
    indices = {name: index for index, name in enumerate(task.classes, start=task.kind == "binary")}
    given = dict(colours)
    if task.kind == "binary":
        indices["background"] = 0
        given.setdefault("background", "#000000")
    missing = [name for name in indices if name not in given]
    if task.ignore_index is not None:
        indices["ignore"] = task.ignore_index
    unknown = [name for name in given if name not in indices]
    if missing or unknown:
        problems = [f"no colour for {', '.join(missing)}"] if missing else []
        problems += [f"no class is called {', '.join(unknown)}"] if unknown else []
        raise PartError(f"data.source.colours: {'; '.join(problems)}", hint=f"name {', '.join(indices)}")
    by_colour = {_rgb(given[name]): index for name, index in indices.items() if name in given}
    if len(by_colour) < len(given):
        raise PartError("data.source.colours: two classes have one colour", hint="give each its own")
    return by_colour


def _rgb(text: str) -> tuple[int, int, int]:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)

"""Recipe tree: YAML values with their file and line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

Loc = tuple[str | int, ...]


class Text(str):
    """A string that knows its file, so that paths can be resolved relative to it."""

    file: str = ""


class Position(NamedTuple):
    """File and line of a value. `line` counts from 1; 0 for command-line values."""

    file: str
    line: int


@dataclass(frozen=True)
class Node:
    """A value and its position; the position of a mapping's value is that of its key."""

    value: dict[str, Node] | list[Node] | str | int | float | bool | None
    position: Position

    def plain(self) -> Any:
        """The value without positions; strings are `Text`."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        if isinstance(self.value, str):
            text = Text(self.value)
            text.file = self.position.file
            return text
        return self.value

    def nearest(self, path: Loc) -> tuple[Node, Loc]:
        """The node at `path`, or its closest existing ancestor; and the path of that node.

        Index 0 is skipped where a list of one item is written without brackets.
        """
        node: Node = self
        found: list[str | int] = []
        for key in path:
            children: Any = node.value
            if isinstance(children, dict) and key == 0:
                continue
            exists = isinstance(children, dict) and key in children
            exists |= isinstance(children, list) and isinstance(key, int) and key < len(children)
            if not exists:
                break
            node = children[key]
            found.append(key)
        return node, tuple(found)

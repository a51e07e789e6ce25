"""YAML with a file and a line for every value, and none of YAML's traps.

Read by the YAML 1.2 core rules: ``1e-3`` is a number, ``no`` and ``off`` are words (a boolean option still
takes them as false), duplicate keys are errors, and tags that would build objects are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from segkit.errors import Problem, RecipeError

MAX_NODES = 20_000  # aliases can blow a few lines up to billions of values
MAX_DEPTH = 40
MAX_BYTES = 1_000_000

_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class Text(str):
    """A string that knows the file it was written in, so that a path in it can be taken from there."""

    file: str = ""


class Place(NamedTuple):
    """Where a value was written. `line` counts from 1; 0 for a value from the command line."""

    file: str
    line: int


@dataclass(frozen=True)
class Node:
    """A value and its place: of a mapping's value the line of its key."""

    value: dict[str, Node] | list[Node] | str | int | float | bool | None
    place: Place

    def plain(self) -> Any:
        """The value without places, strings as `Text`."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        if isinstance(self.value, str):
            text = Text(self.value)
            text.file = self.place.file
            return text
        return self.value

    def nearest(self, path: tuple[str | int, ...]) -> tuple[Node, tuple[str | int, ...]]:
        """The node at `path`, or at the longest part of it that is written; and the path of that node."""
        node: Node = self
        for depth, key in enumerate(path):
            children: Any = node.value
            inside = isinstance(children, dict) and key in children
            inside |= isinstance(children, list) and isinstance(key, int) and key < len(children)
            if not inside:
                return node, path[:depth]
            node = children[key]
        return node, path


class _Loader(yaml.SafeLoader):
    """SafeLoader without YAML 1.1's guesses: every plain scalar arrives as text and is resolved here."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own protocol


def read_yaml(path: Path) -> Node:
    """Read a recipe file, which must hold one mapping.

    Raises:
        RecipeError: naming file and line of everything that is not YAML as segkit reads it.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise RecipeError(f"a recipe of more than {MAX_BYTES:,} bytes is no recipe", where=str(path))
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise RecipeError(
            f"cannot read the recipe: {reason}", where=str(path), hint="give the path of a .yaml file"
        ) from None
    node = parse_yaml(text, str(path))
    if not isinstance(node.value, dict):
        raise RecipeError(
            "a recipe is a mapping of keys to values", where=str(path), hint="begin with 'name: my_recipe'"
        )
    return node


def parse_yaml(text: str, file: str, *, numbered: bool = True) -> Node:
    """Parse one YAML document.

    Args:
        text: the document.
        file: its name, for messages.
        numbered: whether lines mean something (not for a value from the command line).

    Raises:
        RecipeError: for bad syntax, duplicate keys, tags, merge keys and absurd size, all named together.
    """
    try:
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark and numbered else 0
        problem = f"this is not YAML: {error.problem or error.context}"
        hint = "look at the indentation, colons and quotes of this line and the one before"
        raise RecipeError.of([Problem(problem, file, line, hint=hint)]) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise RecipeError(f"this is not YAML: {str(error).splitlines()[0]}", where=file) from None
    reader = _Reader(file, numbered)
    node = Node(None, Place(file, 1)) if root is None else reader.read(root)
    if reader.problems:
        raise RecipeError.of(reader.problems)
    return node


class _Reader:
    """Turns PyYAML's node graph into `Node`s, collecting every problem on the way."""

    def __init__(self, file: str, numbered: bool) -> None:
        self.file = file
        self.numbered = numbered
        self.problems: list[Problem] = []
        self.count = 0

    def read(self, node: yaml.Node, *, key: yaml.Node | None = None, depth: int = 0) -> Node:
        place = Place(self.file, self.line(key or node))
        self.count += 1
        if self.count > MAX_NODES or depth > MAX_DEPTH:
            raise RecipeError(
                "the recipe unfolds into more values, or deeper ones, than any recipe needs", where=self.file
            )
        if not node.tag.startswith("tag:yaml.org,2002:") or "python" in node.tag:
            self.complain(node, f"the tag {node.tag} is not allowed", "write a plain value")
        elif isinstance(node, yaml.MappingNode):
            return Node(self.mapping(node, depth), place)
        elif isinstance(node, yaml.SequenceNode):
            return Node([self.read(item, depth=depth + 1) for item in node.value], place)
        elif isinstance(node, yaml.ScalarNode):
            plain = node.style is None and node.tag.endswith(":str")
            return Node(_resolve(node.value) if plain else node.value, place)
        return Node(None, place)

    def mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.complain(key, "a key must be a word", "quote it if it is one")
            elif key.value == "<<":
                self.complain(key, "merge keys (<<) are not read", "use 'extends: other.yaml'")
            elif key.value in entries:
                first = entries[key.value].place.line
                before = f" (first on line {first})" if first else ""
                self.complain(key, f"the key {key.value!r} is here twice{before}", "keep one of them")
            else:
                entries[key.value] = self.read(value, key=key, depth=depth + 1)
        return entries

    def line(self, node: yaml.Node) -> int:
        return node.start_mark.line + 1 if self.numbered else 0

    def complain(self, node: yaml.Node, problem: str, hint: str) -> None:
        self.problems.append(Problem(problem, self.file, self.line(node), hint=hint))


def _resolve(text: str) -> str | int | float | bool | None:
    """A plain scalar by the YAML 1.2 core schema."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) < 100 and _INTEGER.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text):
        return float(re.sub(r"\.(inf|Inf|INF|nan|NaN|NAN)$", r"\1", text))
    return text

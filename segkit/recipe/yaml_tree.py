"""YAML with a file and a line for every value, and none of YAML's traps.

Read by the YAML 1.2 core rules: ``1e-3`` is a number, ``no`` and ``off`` are words (a boolean option still
takes them as false), duplicate keys are errors, and tags that would build objects are refused.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from segkit.core.errors import Problem, RecipeError
from segkit.core.registry import near

MAX_NODES = 20_000  # aliases can blow a few lines up to billions of values
MAX_DEPTH = 40
MAX_BYTES = 1_000_000
ENDINGS = (".yaml", ".yml")

_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_NO_CHARACTERS = re.compile("[\0\ud800-\udfff]")
_ODD_LINE_ENDS = re.compile("[\r\x85\u2028\u2029]")
_TOO_LARGE = "the recipe unfolds into more values, or deeper ones, than any recipe needs"
_NO_TAG = "no tag"
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
        """The node at `path`, or at the longest part of it that is written; and the path of that node.

        A list of one may be written without being a list: its index is skipped.
        """
        node: Node = self
        written: list[str | int] = []
        for key in path:
            children: Any = node.value
            if isinstance(children, dict) and key == 0:
                continue
            inside = isinstance(children, dict) and key in children
            inside |= isinstance(children, list) and isinstance(key, int) and key < len(children)
            if not inside:
                break
            node = children[key]
            written.append(key)
        return node, tuple(written)


class _Loader(yaml.SafeLoader):
    """SafeLoader without YAML 1.1's guesses: every plain scalar arrives as text and is resolved here."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own protocol
    DEFAULT_SCALAR_TAG = DEFAULT_SEQUENCE_TAG = DEFAULT_MAPPING_TAG = _NO_TAG  # type: ignore[misc]


class _Dumper(yaml.SafeDumper):
    """SafeDumper that also quotes the text which only segkit's rules take for a number, such as "1e3"."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write everything out: a list that comes twice is no reason for anchors."""
        return True


def write_yaml(value: Any) -> str:
    """Plain values as YAML that `read_yaml` reads back."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def read_yaml(path: Path) -> Node:
    """Read a recipe file, which must hold one mapping.

    Raises:
        RecipeError: naming file and line of everything that is not YAML as segkit reads it.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise RecipeError(f"a recipe of more than {MAX_BYTES:,} bytes is no recipe", where=str(path))
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise RecipeError(
            f"cannot read the recipe: {error.strerror}", where=str(path), hint=_another_file(path)
        ) from None
    except UnicodeDecodeError:
        raise RecipeError(
            "cannot read the recipe: it is not UTF-8 text", where=str(path), hint="save it as UTF-8"
        ) from None
    node = parse_yaml(text, str(path))
    if not isinstance(node.value, dict):
        found = "the file is empty" if node.value is None else "this is no mapping of keys to values"
        raise RecipeError(
            f"a recipe begins with a key: {found}", where=str(path), hint="begin with 'name: my_recipe'"
        )
    return node


def _another_file(path: Path) -> str:
    """Which file may have been meant."""
    if os.path.isdir(path):
        return "give the path of a .yaml file in it"
    folder, names = path.parent, []
    with suppress(OSError):
        names = [file.name for file in folder.iterdir() if file.suffix in ENDINGS]
    guesses = near(path.name, names) or near(f"{path.name}.yaml", names)
    return f"did you mean {folder / guesses[0]}?" if guesses else "give the path of a .yaml file"


def parse_yaml(text: str, file: str, *, numbered: bool = True) -> Node:
    """Parse one YAML document.

    Args:
        text: the document.
        file: its name, for messages.
        numbered: whether lines mean something (not for a value from the command line).

    Raises:
        RecipeError: for bad syntax, duplicate keys, tags, merge keys and absurd size, all named together.
    """
    lines = _Lines(text, numbered)
    root = _composed(text, file, lines)
    reader = _Reader(file, lines)
    node = Node(None, Place(file, lines.of(0))) if root is None else reader.read(root)
    if reader.problems:
        raise RecipeError.of(reader.problems)
    return node


def _composed(text: str, file: str, lines: _Lines) -> yaml.Node | None:
    """PyYAML's graph of nodes, or what is wrong with the syntax."""
    try:
        loader = _Loader(text)
        return loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = lines.of(mark.index) if mark else 0
        problem = "this is not YAML: " + ", ".join(filter(None, (error.context, error.problem)))
        hint = "look at the indentation, colons and quotes of this line and the one before"
        if "'\\t'" in problem:
            hint = "indent with spaces: YAML takes no tabs"
        raise RecipeError.of([Problem(problem, file, line, hint=hint)]) from None
    except yaml.reader.ReaderError as error:
        line = lines.of(error.position)
        problem = f"this is not YAML: the character {chr(error.character)!r} is not allowed"
        raise RecipeError.of([Problem(problem, file, line, hint="remove it")]) from None
    except (ValueError, OverflowError):  # "\UFFFFFFFF": PyYAML asks Python for it
        problem = "this is not YAML: an escape names a character that does not exist"
        hint = "write the character itself, or two backslashes where one is meant"
        raise RecipeError.of([Problem(problem, file, lines.of(loader.index), hint=hint)]) from None
    except RecursionError:
        raise RecipeError(_TOO_LARGE, where=file) from None


class _Lines:
    """Line numbers as editors count them: PyYAML takes U+0085, U+2028 and U+2029 for ends of lines too."""

    def __init__(self, text: str, numbered: bool) -> None:
        self.ends = [found.start() for found in re.finditer("\n", text)]
        self.numbered = numbered

    def of(self, index: int) -> int:
        """The line of a character, counted from 1; 0 where lines mean nothing."""
        return bisect_left(self.ends, index) + 1 if self.numbered else 0


class _Reader:
    """Turns PyYAML's node graph into `Node`s, collecting every problem on the way."""

    def __init__(self, file: str, lines: _Lines) -> None:
        self.file = file
        self.lines = lines
        self.problems: list[Problem] = []
        self.count = 0

    def read(self, node: yaml.Node, *, key: yaml.Node | None = None, depth: int = 0) -> Node:
        place = Place(self.file, self.line(key or node))
        self.count += 1
        if self.count > MAX_NODES or depth > MAX_DEPTH:
            raise RecipeError(_TOO_LARGE, where=self.file)
        if node.tag != _NO_TAG:
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            self.complain(node, f"the tag {tag} is not allowed", "write a plain value; quotes make it text")
        elif isinstance(node, yaml.MappingNode):
            return Node(self.mapping(node, depth), place)
        elif isinstance(node, yaml.SequenceNode):
            return Node([self.read(item, depth=depth + 1) for item in node.value], place)
        elif isinstance(node, yaml.ScalarNode) and self.can_be_kept(node):
            return Node(_resolve(node.value) if node.style is None else node.value, place)
        return Node(None, place)

    def mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.complain(key, "a key must be a word", "quote it if it is one")
            elif not self.can_be_kept(key):
                continue
            elif key.value == "<<" and key.style is None:
                self.complain(key, "merge keys (<<) are not read", "use 'extends: other.yaml'")
            elif key.value in entries:
                first = entries[key.value].place.line
                before = f" (first on line {first})" if first else ""
                self.complain(key, f"the key {key.value!r} is here twice{before}", "keep one of them")
            else:
                entries[key.value] = self.read(value, key=key, depth=depth + 1)
        return entries

    def can_be_kept(self, node: yaml.ScalarNode) -> bool:
        """Escapes can write what no file keeps and no path holds."""
        if found := _NO_CHARACTERS.search(node.value):
            self.complain(node, f"the character {found[0]!r} is not allowed", "remove it")
        return not found

    def line(self, node: yaml.Node) -> int:
        return self.lines.of(node.start_mark.index)

    def complain(self, node: yaml.Node, problem: str, hint: str) -> None:
        self.problems.append(Problem(problem, self.file, self.line(node), hint=hint))


def _resolve(text: str) -> str | int | float | bool | None:
    """A plain scalar by the YAML 1.2 core schema."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) < 100 and _INTEGER.fullmatch(text):  # longer ones are no numbers that a recipe needs
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text):
        return float(re.sub(r"\.(inf|Inf|INF|nan|NaN|NAN)$", r"\1", text))
    return text


def _written(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    # PyYAML itself reads ends of lines that are no "\n" back as others, unless they are escaped.
    style = '"' if _ODD_LINE_ENDS.search(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _written)
_Dumper.add_implicit_resolver("a number", _INTEGER, list("-+0123456789"))
_Dumper.add_implicit_resolver("a number", _FLOAT, list("-+.0123456789"))

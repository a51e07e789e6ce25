"""Strict YAML reader with file and line of every value, and YAML writer.

Follows the YAML 1.2 core schema: ``1e-3`` is a number, ``no`` and ``off`` are text, which boolean options
accept as false. Duplicate keys and tags are errors.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from segkit.core.errors import Problem, RecipeError
from segkit.recipe.shipped import hint_for
from segkit.recipe.tree import Node, Position

MAX_NODES = 20_000  # aliases can expand a few lines to billions of values
MAX_DEPTH = 40
MAX_BYTES = 1_000_000
SUFFIXES = (".yaml", ".yml")

_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_INVALID_CHARACTERS = re.compile("[\0\ud800-\udfff]")
_OTHER_LINE_ENDS = re.compile("[\r\x85\u2028\u2029]")
_TOO_LARGE = "the recipe has too many values, or is nested too deeply"
_NO_TAG = "no tag"
_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class _Loader(yaml.SafeLoader):
    """SafeLoader that leaves plain scalars as text, to be resolved by `_resolve`."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own protocol
    DEFAULT_SCALAR_TAG = DEFAULT_SEQUENCE_TAG = DEFAULT_MAPPING_TAG = _NO_TAG  # type: ignore[misc]


class _Dumper(yaml.SafeDumper):
    """SafeDumper that also quotes text which `_resolve` would read as a number, such as "1e3"."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write repeated lists in full, without anchors."""
        return True


def write_yaml(value: Any, *, compact: bool = False) -> str:
    """Plain data as YAML that `read_yaml` reads back; compact: innermost lists and mappings in brackets."""
    style = None if compact else False
    return yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100, default_flow_style=style
    )


def read_yaml(path: Path) -> Node:
    """Read a recipe file, which must contain a mapping.

    Raises:
        RecipeError: if the file is unreadable or not valid, with file and line.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise RecipeError(f"the recipe is larger than {MAX_BYTES:,} bytes", where=str(path))
        text = content.decode("utf-8-sig")
    except OSError as error:
        reason = "Is a directory" if os.path.isdir(path) else error.strerror  # Windows tells of a permission
        problem = f"cannot read the recipe: {reason}"
        raise RecipeError(problem, where=str(path), hint=_suggest_file(path)) from None
    except UnicodeDecodeError:
        problem = "cannot read the recipe: it is not UTF-8 text"
        raise RecipeError(problem, where=str(path), hint="save it as UTF-8") from None
    node = parse_yaml(text, str(path))
    if not isinstance(node.value, dict):
        found = "the file is empty" if node.value is None else "found another value"
        raise RecipeError(
            f"a recipe must be a mapping of keys to values: {found}",
            where=str(path),
            hint="begin with 'name: my_recipe'",
        )
    return node


def _suggest_file(path: Path) -> str:
    if os.path.isdir(path):
        return "give the path of a .yaml file in it"
    names: list[str] = []
    with suppress(OSError):
        names = [file.name for file in path.parent.iterdir() if file.suffix in SUFFIXES]
    return hint_for(path, names)


def parse_yaml(text: str, file: str, *, numbered: bool = True) -> Node:
    """Parse a YAML document.

    Args:
        text: YAML document.
        file: file name for messages.
        numbered: whether positions have lines; false for command-line values.

    Raises:
        RecipeError: with all syntax errors, duplicate keys, tags and merge keys; or if it is too large.
    """
    lines = _Lines(text, numbered)
    root = _compose(text, file, lines)
    reader = _Reader(file, lines)
    node = Node(None, Position(file, lines.of(0))) if root is None else reader.read(root)
    if reader.problems:
        raise RecipeError.of(reader.problems)
    return node


def _compose(text: str, file: str, lines: _Lines) -> yaml.Node | None:
    try:
        loader = _Loader(text)
        return loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = lines.of(mark.index) if mark else 0
        problem = ", ".join(filter(None, (error.context, error.problem)))
        hint = "check the indentation, colons and quotes of this line and the one before"
        if "'\\t'" in problem:
            hint = "indent with spaces: YAML does not allow tabs"
    except yaml.reader.ReaderError as error:
        line = lines.of(error.position)
        problem, hint = f"the character {chr(error.character)!r} is not allowed", "remove it"
    except (ValueError, OverflowError):  # chr() of an escape such as "\UFFFFFFFF"
        line = lines.of(loader.index)
        problem = "an escape sequence for a character that does not exist"
        hint = "write the character itself, or two backslashes for a backslash"
    except RecursionError:
        raise RecipeError(_TOO_LARGE, where=file) from None
    raise RecipeError.of([Problem(f"not valid YAML: {problem}", file, line, hint=hint)])


class _Lines:
    """Line numbers as in editors; PyYAML also counts U+0085, U+2028 and U+2029 as line ends."""

    def __init__(self, text: str, numbered: bool) -> None:
        self.ends = [match.start() for match in re.finditer("\n", text)]
        self.numbered = numbered

    def of(self, index: int) -> int:
        return bisect_left(self.ends, index) + 1 if self.numbered else 0


class _Reader:
    """Converts PyYAML nodes to `Node`s and collects all problems."""

    def __init__(self, file: str, lines: _Lines) -> None:
        self.file = file
        self.lines = lines
        self.problems: list[Problem] = []
        self.count = 0

    def read(self, node: yaml.Node, *, key: yaml.Node | None = None, depth: int = 0) -> Node:
        position = Position(self.file, self.line(key or node))
        self.count += 1
        if self.count > MAX_NODES or depth > MAX_DEPTH:
            raise RecipeError(_TOO_LARGE, where=self.file)
        if node.tag != _NO_TAG:
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            self.report(node, f"the tag {tag} is not allowed", "write a plain value; quotes make it text")
        elif isinstance(node, yaml.MappingNode):
            return Node(self.mapping(node, depth), position)
        elif isinstance(node, yaml.SequenceNode):
            return Node([self.read(item, depth=depth + 1) for item in node.value], position)
        elif isinstance(node, yaml.ScalarNode) and self.has_valid_characters(node):
            return Node(_resolve(node.value) if node.style is None else node.value, position)
        return Node(None, position)

    def mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.report(key, "a key must be text", "put it into quotes")
            elif not self.has_valid_characters(key):
                continue
            elif key.value == "<<" and key.style is None:
                self.report(key, "merge keys (<<) are not supported", "use 'extends: other.yaml'")
            elif key.value in entries:
                first = entries[key.value].position.line
                before = f" (first on line {first})" if first else ""
                self.report(key, f"duplicate key {key.value!r}{before}", "keep one of them")
            else:
                entries[key.value] = self.read(value, key=key, depth=depth + 1)
        return entries

    def has_valid_characters(self, node: yaml.ScalarNode) -> bool:
        # Escapes can produce characters that files and paths cannot contain.
        if invalid := _INVALID_CHARACTERS.search(node.value):
            self.report(node, f"the character {invalid[0]!r} is not allowed", "remove it")
        return not invalid

    def line(self, node: yaml.Node) -> int:
        return self.lines.of(node.start_mark.index)

    def report(self, node: yaml.Node, problem: str, hint: str) -> None:
        self.problems.append(Problem(problem, self.file, self.line(node), hint=hint))


def _resolve(text: str) -> str | int | float | bool | None:
    """The value of a plain scalar in the YAML 1.2 core schema."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if len(text) < 100 and _INTEGER.fullmatch(text):  # int() rejects very long numbers
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text):
        return float(re.sub(r"\.(inf|Inf|INF|nan|NaN|NAN)$", r"\1", text))
    return text


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    # PyYAML would read other line ends back as "\n" unless they are escaped.
    style = '"' if _OTHER_LINE_ENDS.search(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_implicit_resolver("a number", _INTEGER, list("-+0123456789"))
_Dumper.add_implicit_resolver("a number", _FLOAT, list("-+.0123456789"))

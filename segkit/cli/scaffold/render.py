"""From templates to the files of a plugin."""

from __future__ import annotations

import shlex
import symtable
from collections.abc import Iterator
from pathlib import Path

_PLACEHOLDER = "a_name_that_no_template_uses"


def render(kind: str, name: str, folder: Path) -> dict[str, str]:
    """The files of a new plugin, by name.

    Args:
        kind: of the part, singular.
        name: of the part.
        folder: where the plugin will be, as its README tells the user.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("segkit", "cli/scaffold/templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    words = {
        "name": name,
        "camel": camel(name),
        "kind": kind,
        "article": "An" if kind[0] in "aeiou" else "A",
        "path": shlex.quote(folder.as_posix()),
    }
    templates = {
        "__init__.py": f"{kind}/part.py.j2",
        "recipe.yaml": f"{kind}/recipe.yaml.j2",
        f"test_{name}.py": f"{kind}/test.py.j2",
        "README.md": "README.md.j2",
    }
    return {file: environment.get_template(path).render(words) for file, path in templates.items()}


def camel(name: str) -> str:
    """The name of a class: "my_dec" -> "MyDec"."""
    return "".join(word.capitalize() for word in name.split("_"))


def words_in_use(kind: str) -> set[str]:
    """What the code of a plugin calls its own, imports, or takes from Python."""
    files = render(kind, _PLACEHOLDER, Path())
    words: set[str] = set()
    for file, code in files.items():
        if file.endswith(".py"):
            for scope in _scopes(symtable.symtable(code, file, "exec")):
                whole = file.startswith("test_") or scope.get_type() == "module"
                words |= {symbol.get_name() for symbol in scope.get_symbols() if whole or symbol.is_global()}
    return words - {_PLACEHOLDER, camel(_PLACEHOLDER)}


def _scopes(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _scopes(child)

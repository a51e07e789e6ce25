"""Rendering of plugin templates."""

from __future__ import annotations

import symtable
from collections.abc import Iterator
from pathlib import Path

from segkit.core.paths import quoted

_PLACEHOLDER = "a_name_that_no_template_uses"


def render(kind: str, name: str, folder: Path) -> dict[str, str]:
    """The files of a new plugin: file name -> text.

    Args:
        kind: kind of the part, singular.
        name: name of the part.
        folder: folder of the plugin, as shown in its files.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("segkit", "cli/scaffold/templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    article = "An" if kind[0] in "aeiou" else "A"
    path = quoted(folder.as_posix())
    templates = {
        "__init__.py": f"{kind}/part.py.j2",
        f"_{name}.py": f"{kind}/module.py.j2",
        "recipe.yaml": f"{kind}/recipe.yaml.j2",
        f"test_{name}.py": f"{kind}/test.py.j2",
        "pyproject.toml": "pyproject.toml.j2",
        "README.md": "README.md.j2",
    }
    return {
        file: environment.get_template(template).render(
            name=name, camel=camel_case(name), kind=kind, article=article, path=path
        )
        for file, template in templates.items()
    }


def camel_case(name: str) -> str:
    """Class name: "my_dec" -> "MyDec"."""
    return "".join(word.capitalize() for word in name.split("_"))


def names_in_templates(kind: str) -> set[str]:
    """Names that the code of a new plugin defines, imports or uses as built-ins."""
    names: set[str] = set()
    for file, code in render(kind, _PLACEHOLDER, Path()).items():
        if file.endswith(".py"):
            for scope in _scopes(symtable.symtable(code, file, "exec")):
                every = file.startswith("test_") or scope.get_type() == "module"
                names |= {symbol.get_name() for symbol in scope.get_symbols() if every or symbol.is_global()}
    return {name for name in names if _PLACEHOLDER not in name} - {camel_case(_PLACEHOLDER)}


def _scopes(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _scopes(child)

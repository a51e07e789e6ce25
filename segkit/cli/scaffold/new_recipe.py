"""Copies of recipes that ship with segkit, to edit."""

from __future__ import annotations

import os
import re
from pathlib import Path

from segkit.core.errors import SegkitError
from segkit.recipe.schema import name_problem
from segkit.recipe.shipped import shipped_recipe
from segkit.recipe.yaml_tree import write_yaml
from segkit.utils.atomic import atomic_folder


def new_recipe(source: str, name: str, into: Path) -> list[Path]:
    """Copy a recipe that ships with segkit, and the CSV files that it names.

    Recipes that it extends are not copied: the copy extends them by name.

    Args:
        source: name of the recipe.
        name: name of the copy and of its file; by default that of the recipe.
        into: folder of the copy; created if missing.

    Returns:
        The copy, then the CSV files beside it.

    Raises:
        SegkitError: if there is no such recipe, the name is not valid, a file exists or cannot be written.
    """
    original = shipped_recipe(source)
    name = (name or source).removesuffix(".yaml")
    if problem := name_problem(name):
        raise SegkitError(problem, hint="segkit new recipe my_recipe --from NAME; --into chooses the folder")
    text = original.read_text(encoding="utf-8")
    files = {f"{name}.yaml": _renamed(text, name).encode()}
    files |= {file.name: file.read_bytes() for file in original.parent.glob("*.csv") if file.name in text}
    for file, content in files.items():
        _check_free(into / file, content)
    try:
        with atomic_folder(into) as draft:
            for file, content in files.items():
                (draft / file).write_bytes(content)
    except OSError as error:
        raise SegkitError(
            f"cannot write the recipe: {error.strerror or error}",
            where=str(into),
            hint="choose a writable folder: --into DIR",
        ) from error
    return [into / file for file in files]


def _renamed(text: str, name: str) -> str:
    text = re.sub(r"^extends: (\w+)\.yaml$", r"extends: \1", text, flags=re.MULTILINE)
    return re.sub(r"^name: .*\n", lambda _: write_yaml({"name": name}), text, count=1, flags=re.MULTILINE)


def _check_free(path: Path, content: bytes) -> None:
    # Recipes may name the same CSV file, which is there already as it would be written.
    is_the_same = path.suffix == ".csv" and path.is_file() and path.read_bytes() == content
    if os.path.lexists(path) and not is_the_same:
        hint = "choose another name, or another folder: --into DIR"
        raise SegkitError("this already exists", where=str(path), hint=hint)

"""What `list`, `show` and `new` do with the recipes that ship with segkit."""

from __future__ import annotations

from pathlib import Path

from segkit.core.errors import SegkitError

KINDS = ("recipe", "recipes")  # beside the kinds of parts


def descriptions() -> dict[str, str]:
    """The description of each recipe, by name."""
    from segkit.recipe.shipped import shipped_recipes

    return {name: _description(file) for name, file in shipped_recipes().items()}


def show(name: str, *, json: bool) -> None:
    """Print where a recipe is, as a comment, and its text."""
    from segkit.cli import console
    from segkit.recipe.shipped import shipped_recipe

    file = shipped_recipe(name)
    text = file.read_text(encoding="utf-8")
    if json:
        about = {"kind": "recipe", "name": name, "summary": _description(file), "where": file}
        console.print_json({**about, "text": text})
    else:
        console.print_line(f"# {file}\n{text.rstrip()}")


def copy(source: str, name: str, into: Path, *, quiet: bool) -> None:
    """Copy a recipe and print what to type next."""
    from segkit.cli import console
    from segkit.cli.scaffold import new_recipe
    from segkit.core.paths import quoted
    from segkit.recipe.shipped import names_in_words

    if not source:
        hint = f"segkit new recipe --from NAME; {names_in_words()}"
        raise SegkitError("the recipe to copy is missing", hint=hint)
    written = new_recipe(source, name, into)
    if not quiet:
        console.print_line(f"Created {', '.join(map(str, written))}")
        console.print_line(f"\nType next: segkit run {quoted(written[0])}")


def _description(recipe: Path) -> str:
    from segkit.recipe.yaml_tree import read_yaml

    return str(read_yaml(recipe).plain().get("description", ""))

"""The recipes that ship with segkit, by name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from segkit.core.errors import RecipeError
from segkit.core.paths import INSTALLED_RECIPES
from segkit.core.registry import near


def shipped_recipes() -> dict[str, Path]:
    """Files of the recipes that ship with segkit, by name; in a checkout those of its folder `recipes/`."""
    checkout = INSTALLED_RECIPES.parents[1] / "recipes"
    folder = INSTALLED_RECIPES if INSTALLED_RECIPES.is_dir() else checkout
    return {file.stem: file for file in sorted(folder.glob("*.yaml"))}


def shipped_recipe(name: str) -> Path:
    """The file of a recipe that ships with segkit.

    Raises:
        RecipeError: if there is none of that name.
    """
    shipped = shipped_recipes()
    if name not in shipped:
        problem = f"no recipe that ships with segkit is called {name!r}"
        raise RecipeError(problem, hint=_did_you_mean(near(name, shipped)) + names_in_words())
    return shipped[name]


def recipe_file(named: Path) -> Path:
    """The path as it is; if nothing is there, the recipe of that name that ships with segkit, if any.

    Raises:
        RecipeError: if a file NAME.yaml could be meant as well.
    """
    shipped = shipped_recipes().get(str(named))
    if shipped is None or os.path.lexists(named):
        return named
    own = Path(f"{named}.yaml")
    if own.exists() and not own.samefile(shipped):
        problem = f"this could be the file {own} or the recipe that ships with segkit"
        raise RecipeError(problem, where=str(named), hint=f"write {own} or {shipped}")
    return shipped


def hint_for(
    missing: Path, neighbours: Sequence[str] = (), expected: str = "give the path of a .yaml file"
) -> str:
    """What to try in place of a recipe that is not there.

    Args:
        missing: path as named by the user.
        neighbours: names of the recipe files in its folder.
        expected: what the command takes.
    """
    files = near(missing.name, neighbours) or near(f"{missing.name}.yaml", neighbours)
    guesses = [str(missing.parent / file) for file in files] or near(missing.stem, shipped_recipes())
    return f"{_did_you_mean(guesses)}{expected}; {names_in_words()}"


def names_in_words() -> str:
    """The names of all, for hints."""
    return f"these ship with segkit: {', '.join(shipped_recipes())}"


def _did_you_mean(guesses: list[str]) -> str:
    return f"did you mean {guesses[0]}? " if guesses else ""

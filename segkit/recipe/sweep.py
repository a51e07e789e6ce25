"""Recipes made out of one: other values for some of its paths, other seeds."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from segkit.core.errors import Problem, RecipeError
from segkit.recipe import Recipe, load_recipe
from segkit.recipe.schema import part_at

LONGEST_NAME = 100


def expand_grid(
    path: Path,
    overrides: Sequence[str] = (),
    vary: Sequence[str] = (),
    seeds: Sequence[int] = (),
    plugins: Sequence[Path] = (),
    *,
    demo: bool = False,
) -> list[Recipe]:
    """The recipes that a comparison makes out of one.

    Args:
        path: the recipe's file.
        overrides: as `--set` takes them, for all.
        vary: as `--vary` takes them, ``model.decoder=unet,fpn``; several make a grid.
        seeds: each variant with each of them; the recipe's own if there are none.
        plugins: files or folders with parts.
        demo: on synthetic lesions.

    Returns:
        One recipe for every variant and seed; a variant's name says what is varied, and is the same for all
        of its seeds.

    Raises:
        RecipeError: if any of them is at fault, or two would have one name.
    """
    recipes: list[Recipe] = []
    _refuse_set_and_varied(overrides, vary)
    seeding = [[f"seed={seed}"] for seed in seeds] or [[]]
    for choice in itertools.product(*map(_choices, vary)):
        settings = [setting for setting, _ in choice]
        for seeded in seeding:
            recipe = _loaded(path, [*overrides, *settings, *seeded], plugins, demo=demo, varied=settings)
            name = "-".join([recipe.name, *(label for _, label in choice)])[:LONGEST_NAME].rstrip()
            recipes.append(recipe.model_copy(update={"name": name}))
        _refuse_twice(recipes, len(seeding), vary)
    return recipes


def _loaded(
    path: Path, overrides: Sequence[str], plugins: Sequence[Path], *, demo: bool, varied: Sequence[str]
) -> Recipe:
    """A variant; what is wrong with a value that is varied is told of `--vary`."""
    try:
        return load_recipe(path, overrides, plugins, demo=demo)
    except RecipeError as error:
        said = {f"--set {setting}": f"--vary {setting}" for setting in varied}
        problems = [replace(found, file=said.get(found.file, found.file)) for found in error.problems]
        raise RecipeError.of(problems) from error


def _refuse_set_and_varied(overrides: Sequence[str], vary: Sequence[str]) -> None:
    paths = {override.partition("=")[0].strip() for override in overrides}
    for one in vary:
        if (path := one.partition("=")[0].strip()) in paths:
            problem = f"{path} is both set and varied"
            raise RecipeError.of([Problem(problem, f"--vary {one}", hint="one of the two")])


def _refuse_twice(recipes: Sequence[Recipe], new: int, vary: Sequence[str]) -> None:
    """The latest variant must be told from those before it."""
    name = recipes[-1].name
    if any(recipe.name == name for recipe in recipes[:-new]):
        problem = f"two variants would both be called {name!r}"
        place = f"--vary {' --vary '.join(vary)}"
        raise RecipeError.of([Problem(problem, place, hint="each value once, and short ones")])


def _choices(vary: str) -> list[tuple[str, str]]:
    """What to set for each value, and what to call it.

    Raises:
        RecipeError: if it varies nothing.
    """
    path, equals, values = vary.partition("=")
    path = path.strip()
    found = [value.strip() for value in _split(values)]
    if not equals or not path or not all(found):
        hint = "write --vary PATH=VALUE,VALUE, as in --vary model.decoder=unet,fpn"
        raise RecipeError.of([Problem("this varies nothing", f"--vary {vary}", hint=hint)])
    if path in ("name", "extends", "seed"):
        hint = "--seeds 0,1,2" if path == "seed" else "compare two recipes instead"
        raise RecipeError.of([Problem(f"{path} cannot be varied", f"--vary {vary}", hint=hint)])
    return [(f"{path}={value}", _label(path, value)) for value in found]


def _split(values: str) -> Iterator[str]:
    """The values between commas, but for those inside brackets."""
    depth, value = 0, ""
    for sign in values:
        depth += (sign in "[{(") - (sign in ")}]")
        if sign == "," and depth == 0:
            yield value
            value = ""
        else:
            value += sign
    yield value


def _label(path: str, value: str) -> str:
    """A part goes by its name alone; other values say what they are of."""
    keys = tuple(int(key) if key.isdecimal() else key for key in path.split("."))
    words = value if part_at(keys) else f"{keys[-1]} {value}"
    return re.sub(r"[^\w.+]+", "_", words).strip("_")

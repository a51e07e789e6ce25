"""Grids of recipes: `--vary` and `--seeds`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from segkit.core.errors import Problem, RecipeError, worded
from segkit.recipe import Recipe, load_recipe
from segkit.recipe.overrides import override_position
from segkit.recipe.part_schema import part_at

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
    """One recipe per combination of varied values and seed.

    Args:
        path: recipe file.
        overrides: values of `--set`, for all recipes.
        vary: values of `--vary`, such as ``model.decoder=unet,fpn``; several form a grid.
        seeds: seeds of each variant; by default the recipe's own.
        plugins: plugin files or folders.
        demo: whether to use synthetic lesions.

    Returns:
        Recipes named after their varied values; those of several seeds share a name.

    Raises:
        RecipeError: if a recipe is invalid, or two variants have the same name.
    """
    recipes: list[Recipe] = []
    _check_not_set_and_varied(overrides, vary)
    seed_overrides = [[f"seed={seed}"] for seed in seeds] or [[]]
    for choice in itertools.product(*map(_choices, vary)):
        varied = [setting for setting, _ in choice]
        for seed in seed_overrides:
            recipe = _load(path, [*overrides, *varied, *seed], plugins, demo=demo, varied=varied)
            name = "-".join([recipe.name, *(label for _, label in choice)])[:LONGEST_NAME].rstrip()
            recipes.append(recipe.model_copy(update={"name": name}))
        if any(recipe.name == name for recipe in recipes[: -len(seed_overrides)]):
            where = worded(f"--vary {' --vary '.join(vary)}", f"vary={[*vary]}")
            raise _error(
                f"two variants have the same name {name!r}", where, "use different and shorter values"
            )
    return recipes


def _load(
    path: Path, overrides: Sequence[str], plugins: Sequence[Path], *, demo: bool, varied: Sequence[str]
) -> Recipe:
    try:
        return load_recipe(path, overrides, plugins, demo=demo)
    except RecipeError as error:
        options = {override_position(setting): _position(setting) for setting in varied}
        problems = [
            replace(problem, file=options.get(problem.file, problem.file)) for problem in error.problems
        ]
        raise RecipeError.of(problems) from error


def _check_not_set_and_varied(overrides: Sequence[str], vary: Sequence[str]) -> None:
    paths = {override.partition("=")[0].strip() for override in overrides}
    for option in vary:
        if (path := option.partition("=")[0].strip()) in paths:
            raise _error(f"{path} is both set and varied", _position(option), "use one of the two")


def _choices(option: str) -> list[tuple[str, str]]:
    """Override and label of each value of `--vary`."""
    path, equals, text = option.partition("=")
    path = path.strip()
    values = [value.strip() for value in _split_at_commas(text)]
    if not equals or not path or not all(values):
        hint = "write PATH=VALUE,VALUE, as in model.decoder=unet,fpn"
        raise _error("it does not vary a value", _position(option), hint)
    if path in ("name", "extends", "seed"):
        hint = worded("--seeds 0,1,2", "seeds=[0, 1, 2]") if path == "seed" else "compare two recipes instead"
        raise _error(f"{path} cannot be varied", _position(option), hint)
    return [(f"{path}={value}", _label(path, value)) for value in values]


def _split_at_commas(text: str) -> Iterator[str]:
    depth, value = 0, ""
    for character in text:
        depth += (character in "[{(") - (character in ")}]")
        if character == "," and depth == 0:
            yield value
            value = ""
        else:
            value += character
    yield value


def _label(path: str, value: str) -> str:
    keys = tuple(int(key) if key.isdecimal() else key for key in path.split("."))
    label = value if part_at(keys) else f"{keys[-1]} {value}"  # a part's name needs no key
    return re.sub(r"[^\w.+]+", "_", label).strip("_")


def _position(option: str) -> str:
    return worded(f"--vary {option}", f"vary {option!r}")


def _error(problem: str, where: str, hint: str) -> RecipeError:
    return RecipeError.of([Problem(problem, where, hint=hint)])

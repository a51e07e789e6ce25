"""Grids of recipes: `--vary` and `--seeds`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from segkit.core.errors import Problem, RecipeError, worded
from segkit.recipe import Recipe, load_recipe
from segkit.recipe.overrides import override_position
from segkit.recipe.part_schema import part_at
from segkit.recipe.yaml_tree import parse_yaml

LONGEST_NAME, LONGEST_LABEL = 100, 40


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
        vary: values of `--vary`, such as ``model.decoder=unet,fpn``, or one value with a label, such as
            ``gated=model.decoder={name: unet, gated: true}``. Options of different paths form a grid.
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
    for choice in itertools.product(*_axes(vary)):
        varied = [setting for setting, _ in choice]
        for seed in seed_overrides:
            options = {one: _position(one) for one in varied}
            recipe = load_varied(path, [*overrides, *seed], options, plugins, demo=demo)
            name = "-".join([recipe.name, *(label for _, label in choice)])[:LONGEST_NAME].rstrip()
            recipes.append(recipe.model_copy(update={"name": name}))
        if any(recipe.name == name for recipe in recipes[: -len(seed_overrides)]):
            where = worded(f"--vary {' --vary '.join(vary)}", f"vary={[*vary]}")
            raise _error(
                f"two variants have the same name {name!r}", where, "use other values, or LABEL=PATH=VALUE"
            )
    return recipes


def load_varied(
    path: Path | str,
    overrides: Sequence[str],
    varied: Mapping[str, str],
    plugins: Sequence[Path] = (),
    *,
    demo: bool = False,
) -> Recipe:
    """A recipe with varied values.

    Args:
        path: recipe file.
        overrides: values of `--set`.
        varied: the option of each varied value, as messages name it, by value in the form of `--set`.
        plugins: plugin files or folders.
        demo: whether to use synthetic lesions.

    Raises:
        RecipeError: if it is invalid; problems with a varied value name its option.
    """
    try:
        return load_recipe(path, [*overrides, *varied], plugins, demo=demo)
    except RecipeError as error:
        options = {override_position(setting): option for setting, option in varied.items()}
        problems = [
            replace(problem, file=options.get(problem.file, problem.file)) for problem in error.problems
        ]
        raise RecipeError.of(problems) from error


def _check_not_set_and_varied(overrides: Sequence[str], vary: Sequence[str]) -> None:
    paths = {override.partition("=")[0].strip() for override in overrides}
    for option in vary:
        if (path := _parse(option)[1]) in paths:
            raise _error(f"{path} is both set and varied", _position(option), "use one of the two")


def _axes(vary: Sequence[str]) -> list[list[tuple[str, str]]]:
    """Override and label of each value, by path; options of the same path are values of one axis."""
    axes: dict[str, list[tuple[str, str]]] = {}
    for option in vary:
        label, path, values = _parse(option)
        axes.setdefault(path, []).extend((value, label) for value in values)
    return [
        [(f"{path}={value}", label or _label(path, value, [one for one, _ in axis])) for value, label in axis]
        for path, axis in axes.items()
    ]


def _parse(option: str) -> tuple[str, str, list[str]]:
    """Label (or ""), path and values of `--vary`."""
    first, equals, text = option.partition("=")
    label, path = "", first.strip()
    if path.split(".")[0] not in Recipe.model_fields and re.match(r"\s*[A-Za-z_][\w.]*\s*=", text):
        label, (path, equals, text) = path, text.partition("=")
        path = path.strip()
    values = [value.strip() for value in split_at_commas(text)]
    if not equals or not path or not all(values):
        hint = "write PATH=VALUE,VALUE, as in model.decoder=unet,fpn"
        raise _error("a path and its values are missing", _position(option), hint)
    if path in ("name", "extends", "seed"):
        hint = worded("--seeds 0,1,2", "seeds=[0, 1, 2]") if path == "seed" else "compare two recipes instead"
        raise _error(f"{path} cannot be varied", _position(option), hint)
    if label and not re.fullmatch(r"\w[\w .+-]*", label):
        hint = "use letters, digits, '_', '-', '+', '.' and spaces"
        raise _error(f"{label!r} cannot be a label", _position(option), hint)
    if label and len(values) > 1:
        hint = f"write LABEL={path}=VALUE once for each value"
        raise _error(f"the label {label!r} has {len(values)} values", _position(option), hint)
    return label, path, values


def split_at_commas(text: str) -> Iterator[str]:
    """Parts of a text between the commas that are not inside of brackets."""
    depth, value = 0, ""
    for character in text:
        depth += (character in "[{(") - (character in ")}]")
        if character == "," and depth == 0:
            yield value
            value = ""
        else:
            value += character
    yield value


def _label(path: str, value: str, others: Sequence[str]) -> str:
    """Readable text for a value: a part's name, with the options by which it differs from its namesakes."""
    keys = tuple(int(key) if key.isdecimal() else key for key in path.split("."))
    text = re.sub(r"\bname:", "", value)
    if not part_at(keys):
        text = f"{keys[-1]} {text}"
    elif part := _part(value):
        namesakes = [other for other in map(_part, others) if other.get("name") == part["name"]]
        differing = [key for key in part if any(part[key] != other.get(key) for other in namesakes)]
        text = " ".join([str(part["name"]), *(f"{key} {part[key]}" for key in differing)])
    label = re.sub(r"[^\w.+]+", "_", text).strip("_")
    return label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL + 1].rpartition("_")[0]


def _part(value: str) -> dict[str, Any]:
    """A named part as a mapping; empty for anything else."""
    try:
        plain = parse_yaml(value, "", numbered=False).plain()
    except RecipeError:
        return {}  # reported when the recipe is loaded
    if isinstance(plain, str):
        return {"name": plain}
    return plain if isinstance(plain, dict) and "name" in plain else {}


def _position(option: str) -> str:
    return worded(f"--vary {option}", f"vary {option!r}")


def _error(problem: str, where: str, hint: str) -> RecipeError:
    return RecipeError.of([Problem(problem, where, hint=hint)])

"""Loading of a recipe: a YAML file becomes a complete, checked `Recipe`, or a list of all its problems."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from segkit.core.errors import PartError, Problem, RecipeError, worded
from segkit.core.paths import resolve
from segkit.core.plugins import (
    Plugin,
    broken_plugins,
    find,
    imported_plugins,
    load_plugin,
    loaded_plugins,
)
from segkit.core.registry import REGISTRIES, Entry, Settings
from segkit.recipe.demo import as_demo, fit_to_demo
from segkit.recipe.overrides import override_tree, read_tree
from segkit.recipe.part_schema import Part, part_at, parts_in
from segkit.recipe.schema import Recipe
from segkit.recipe.transform_images import instead_of, transform_problems
from segkit.recipe.tree import Loc, Node
from segkit.recipe.type_names import either, in_words, schema_of
from segkit.recipe.validation_errors import ErrorContext, dotted
from segkit.recipe.yaml_tree import write_yaml


def load_recipe(
    path: Path | str, overrides: Sequence[str] = (), plugins: Sequence[Path] = (), *, demo: bool = False
) -> Recipe:
    """Read and check a recipe, with its base recipes, overrides and defaults.

    Args:
        path: YAML file, or name of a recipe that ships with segkit.
        overrides: changes of the recipe, such as ``training.epochs=2``.
        plugins: plugin files or folders in addition to those of the recipe.
        demo: whether to use synthetic lesions as data, and random weights instead of a download. Only this
            may import torch.

    Raises:
        RecipeError: with all problems that can be found without data and torch, by file and line.
        PartError: if a plugin violates the contract of its kind.
    """
    tree = read_tree(Path(path))
    if demo:
        tree = as_demo(tree)
    tree = override_tree(tree, overrides)
    for plugin in plugins:
        load_plugin(plugin, "--plugins")
    for plugin in _listed_plugins(tree):
        load_plugin(plugin)
    recipe = _validate(tree)
    return _with_used_plugins(_validate(fit_to_demo(tree, recipe)) if demo else recipe)


def used_plugins(recipe: Recipe) -> list[Plugin]:
    """Loaded plugins that the recipe lists or takes a part from."""
    parts = {f"{part.kind} {part.name}" for part in recipe.parts()}
    return [
        plugin
        for plugin in loaded_plugins()
        if parts & set(plugin.parts) or any(plugin.path.is_relative_to(path) for path in recipe.plugins)
    ]


def dump_recipe(recipe: Recipe) -> str:
    """A recipe as YAML with all defaults; running it repeats the run."""
    return write_yaml(plain_recipe(recipe))


def load_dumped(text: str) -> Recipe:
    """The recipe of a `dump_recipe` text, whose paths are absolute."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "recipe.yaml"
        file.write_text(text, encoding="utf-8")
        return load_recipe(file)


def plain_recipe(recipe: Recipe) -> dict[str, Any]:
    """A recipe as plain data with all defaults."""
    return {key: _plain(value) for key, value in recipe}


def entry_for(part: Part) -> Entry:
    """The registry entry of a part of a checked recipe."""
    entry = REGISTRIES[part.kind].get(part.name)
    assert entry is not None, f"{part.kind} {part.name} was checked when the recipe was loaded"
    return entry


def _plain(value: Any) -> Any:
    if isinstance(value, Settings):
        return {key: _plain(item) for key, item in value}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    plain = to_jsonable_python(value)
    return str(plain) if isinstance(plain, str) else plain  # `Text` to str


def _listed_plugins(tree: Node) -> list[Path]:
    listed, found = tree.nearest(("plugins",))
    items = listed.value if isinstance(listed.value, list) else [listed] if found else []
    hint = "a .py file or a folder of them, relative to the folder of the recipe"
    paths: list[Path] = []
    problems: list[Problem] = []
    for item in items:
        if not isinstance(item.value, str):
            continue  # reported by the schema
        try:
            paths.append(resolve(item.value, item.position.file))
            problem = "" if paths[-1].exists() else f"plugin not found: {paths[-1]}"
        except ValueError as error:
            problem = str(error)
        if problem:
            problems.append(Problem(problem, *item.position, path="plugins", hint=hint))
    if problems:
        raise RecipeError.of(problems)
    return paths


def _with_used_plugins(recipe: Recipe) -> Recipe:
    # The recipe lists the files of all parts it uses, so that it runs from any working directory.
    used = [plugin.path for plugin in used_plugins(recipe) if not plugin.package]
    more = [path for path in used if not any(path.is_relative_to(listed) for listed in recipe.plugins)]
    return recipe.model_copy(update={"plugins": [*recipe.plugins, *more]})


def _validate(tree: Node) -> Recipe:
    plain = tree.plain()
    problems: list[Problem] = []
    for loc, node in parts_in(tree):
        problems += _complete_part(tree, loc, node, plain)
    try:
        recipe = Recipe.model_validate(plain)
    except ValidationError as error:
        problems += ErrorContext(tree, Recipe).problems(error)
    else:
        problems += () if problems else _transform_problems(tree, recipe)
    if problems:
        ordered = sorted(set(problems), key=lambda problem: (problem.file, problem.line, problem.path))
        # A missing part may belong to an installed plugin that is broken.
        raise RecipeError.of([*ordered, *(error.problems[0] for error in broken_plugins())])
    return recipe


def _transform_problems(tree: Node, recipe: Recipe) -> Iterator[Problem]:
    for number, problem in transform_problems(recipe.data).items():
        position = tree.nearest(("data", "augment", number))[0].position
        yield replace(problem, file=position.file, line=position.line)


def _complete_part(tree: Node, loc: Loc, node: Node, plain: Any) -> list[Problem]:
    """Check a part against its signature and write its defaults into `plain`."""
    part = part_at(loc)
    assert part is not None
    assert isinstance(node.value, dict)
    name = node.value.get("name")
    if name is None or not isinstance(name.value, str):
        return []  # reported by the schema
    entry = find(part.kind, name.value)
    if entry is None:
        return [_unknown_part(part, name, loc)]
    for key in loc:
        plain = plain[key]
    chosen = {key: value for key, value in plain.items() if key not in part.common_keys()}
    try:
        options = entry.schema.model_validate(chosen)
    except ValidationError as error:
        _check_declarations(entry, chosen, error)
        also = [key for key in part.common_keys() if key != "name"]
        return ErrorContext(tree, entry.schema, loc, f"{part.kind} {entry.name!r}", also).problems(error)
    problems: list[Problem] = []
    for key in entry.options:
        try:
            plain[key] = _resolve_paths(getattr(options, key), chosen.get(key))
        except ValueError as error:
            position = tree.nearest((*loc, key))[0].position
            problems.append(Problem(str(error), *position, path=dotted((*loc, key))))
    return problems


def _check_declarations(entry: Entry, chosen: dict[str, Any], error: ValidationError) -> None:
    """Raise PartError if the type or the default of an option is at fault, not the recipe."""
    for details in error.errors():
        option = entry.options.get(str(details["loc"][0]))
        if option and schema_of(option.annotation) is None:
            raise PartError(
                f"{entry.kind} {entry.name!r}: option {option.name!r} is of type "
                f"{in_words(option.annotation)}, which is not allowed in a recipe",
                where=entry.where,
                hint="numbers, text, Literal[...], tuple[...] of them, or a path",
            )
        if option and not option.required and option.name not in chosen:
            raise PartError(
                f"{entry.kind} {entry.name!r}: the default of option {option.name!r}, {option.default!r}, "
                f"does not match its type",
                where=entry.where,
                hint=f"allowed: {in_words(option.annotation)}",
            )


def _resolve_paths(value: Any, written: Any) -> Any:
    # Paths are relative to the file in which they are written, also inside lists and mappings.
    if isinstance(value, Path):
        return resolve(str(value), getattr(written, "file", ""))
    if type(value) in (list, tuple):
        items = written if isinstance(written, list) else [None] * len(value)
        return type(value)(_resolve_paths(*pair) for pair in zip(value, items, strict=False))
    if type(value) is dict:
        pairs = written if isinstance(written, dict) else {}
        return {key: _resolve_paths(item, pairs.get(key)) for key, item in value.items()}
    return value


def _unknown_part(part: type[Part], name: Node, loc: Loc) -> Problem:
    registry = REGISTRIES[part.kind]
    guesses = registry.near(str(name.value))
    guess = f"did you mean {either([repr(guess) for guess in guesses])}? " if guesses else ""
    own = [entry.name for entry in registry.own()]
    allowed = f", allowed: {', '.join(own)}" if own and not registry.families else ""
    names = f"segkit.{registry.plural.upper()}.names()"
    listed = worded(f"'segkit list {registry.plural}' shows", f"{names} lists")
    option = worded("--plugins", "plugins=[...]")
    hint = f"{guess}{listed} all; parts of a plugin need 'plugins:', {option}, or an installed package"
    if empty := ", ".join(plugin.path.name for plugin in imported_plugins() if not plugin.parts):
        hint += f"; {empty} registers nothing: is @{registry.plural.upper()}.register missing?"
    if part.kind == "transform" and (instead := instead_of(str(name.value))):
        hint = instead
    problem = f"no {part.kind} is called {name.value!r}{allowed}"
    return Problem(problem, *name.position, path=dotted((*loc, "name")), hint=hint)

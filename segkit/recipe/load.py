"""`load_recipe`: from a YAML file to a complete, checked `Recipe`, or to every problem in it at once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from segkit.core.errors import PartError, Problem, RecipeError
from segkit.core.paths import resolve
from segkit.core.plugins import (
    Plugin,
    broken_plugins,
    find,
    load_builtins,
    load_plugin,
    loaded_plugins,
    silent_plugins,
)
from segkit.core.registry import REGISTRIES, Entry, Settings
from segkit.recipe.demo import as_demo, fit_to_demo
from segkit.recipe.overrides import override_tree, read_tree
from segkit.recipe.schema import Part, Recipe, part_at
from segkit.recipe.type_names import either, in_words, schema_of
from segkit.recipe.validation_errors import Validated, dotted
from segkit.recipe.yaml_tree import Node, write_yaml

Loc = tuple[str | int, ...]


def load_recipe(
    path: Path | str, overrides: Sequence[str] = (), plugins: Sequence[Path] = (), *, demo: bool = False
) -> Recipe:
    """Read a recipe, what it extends and what is set over it; check it; fill in every default.

    Args:
        path: the YAML file.
        overrides: as `--set` takes them: ``training.epochs=2``.
        plugins: files or folders with parts, beside those the recipe itself names.
        demo: take synthetic lesions for its data, and random weights for those that would be downloaded.
            This alone may import torch.

    Raises:
        RecipeError: with every problem that can be known without data and without torch, by file and line.
        PartError: if a plugin breaks the contract of its kind.
    """
    load_builtins()
    tree = read_tree(Path(path))
    if demo:
        tree = as_demo(tree)
    tree = override_tree(tree, overrides)
    for plugin in plugins:
        load_plugin(plugin, "--plugins")
    for plugin in _plugins_of(tree):
        load_plugin(plugin)
    recipe = _validate(tree)
    return _with_plugins(_validate(fit_to_demo(tree, recipe)) if demo else recipe)


def used_plugins(recipe: Recipe) -> list[Plugin]:
    """The loaded plugins that give a checked recipe one of its parts, or that it lists."""
    parts = {f"{part.kind} {part.name}" for part in recipe.parts()}
    return [
        plugin
        for plugin in loaded_plugins()
        if parts & set(plugin.parts) or any(plugin.path.is_relative_to(path) for path in recipe.plugins)
    ]


def dump_recipe(recipe: Recipe) -> str:
    """A recipe as YAML, every default written out; running it repeats the run."""
    return write_yaml(plain_recipe(recipe))


def load_dumped(text: str) -> Recipe:
    """The complete recipe that `dump_recipe` wrote; its paths are absolute, so that it may lie anywhere."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "recipe.yaml"
        file.write_text(text, encoding="utf-8")
        return load_recipe(file)


def plain_recipe(recipe: Recipe) -> dict[str, Any]:
    """A recipe as plain data, every default in it."""
    plain: dict[str, Any] = _plain(recipe)
    return plain


def entry_for(part: Part) -> Entry:
    """The registered part that a checked recipe names."""
    entry = REGISTRIES[part.kind].get(part.name)
    assert entry is not None, f"{part.kind} {part.name} was checked when the recipe was loaded"
    return entry


def _plain(value: Any) -> Any:
    """As YAML has it."""
    if isinstance(value, Settings):
        return {key: _plain(item) for key, item in value}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    plain = to_jsonable_python(value)
    return str(plain) if isinstance(plain, str) else plain


def _plugins_of(tree: Node) -> list[Path]:
    """What the recipe itself lists.

    Raises:
        RecipeError: for those that are not there.
    """
    listed, found = tree.nearest(("plugins",))
    items = listed.value if isinstance(listed.value, list) else [listed] if found else []
    hint = "a .py file or a folder of them; the path counts from the folder of the recipe"
    paths: list[Path] = []
    problems: list[Problem] = []
    for item in items:
        if not isinstance(item.value, str):
            continue  # the schema says what is wrong with it
        try:
            paths.append(resolve(item.value, item.place.file))
            problem = "" if paths[-1].exists() else f"there is no plugin {paths[-1]}"
        except ValueError as error:
            problem = str(error)
        if problem:
            problems.append(Problem(problem, *item.place, path="plugins", hint=hint))
    if problems:
        raise RecipeError.of(problems)
    return paths


def _with_plugins(recipe: Recipe) -> Recipe:
    """The recipe names the files of all parts it uses, so that it runs the same from anywhere."""
    used = [plugin.path for plugin in used_plugins(recipe) if not plugin.package]
    more = [path for path in used if not any(path.is_relative_to(listed) for listed in recipe.plugins)]
    return recipe.model_copy(update={"plugins": [*recipe.plugins, *more]})


def _validate(tree: Node) -> Recipe:
    plain = tree.plain()
    problems: list[Problem] = []
    for loc, node in _parts_in(tree):
        problems += _complete_part(tree, loc, node, plain)
    try:
        recipe = Recipe.model_validate(plain)
    except ValidationError as error:
        problems += Validated(tree, Recipe).problems(error)
    if problems:
        ordered = sorted(set(problems), key=lambda problem: (problem.file, problem.line, problem.path))
        # What was looked for in installed plugins may be in one that is broken.
        raise RecipeError.of([*ordered, *(error.problems[0] for error in broken_plugins())])
    return recipe


def _parts_in(node: Node, loc: Loc = ()) -> Iterator[tuple[Loc, Node]]:
    children: Any = node.value
    if part_at(loc) and isinstance(children, dict):
        yield loc, node
    elif isinstance(children, dict | list):
        for key, child in children.items() if isinstance(children, dict) else enumerate(children):
            yield from _parts_in(child, (*loc, key))


def _complete_part(tree: Node, loc: Loc, node: Node, plain: Any) -> list[Problem]:
    """Check one part against its signature and write its defaults into `plain`."""
    part = part_at(loc)
    assert part is not None
    assert isinstance(node.value, dict)
    named = node.value.get("name")
    if named is None or not isinstance(named.value, str):
        return []  # the schema says what is wrong with it
    entry = find(part.kind, named.value)
    if entry is None:
        return [_unknown_part(part, named, loc)]
    for key in loc:
        plain = plain[key]
    chosen = {key: value for key, value in plain.items() if key not in part.model_fields}
    try:
        options = entry.schema.model_validate(chosen)
    except ValidationError as error:
        _blame_defaults(entry, chosen, error)
        also = [key for key in part.model_fields if key != "name"]
        return Validated(tree, entry.schema, loc, f"{part.kind} {entry.name!r}", also).problems(error)
    problems: list[Problem] = []
    for key in entry.options:
        try:
            plain[key] = _resolved(getattr(options, key), chosen.get(key))
        except ValueError as error:
            place = tree.nearest((*loc, key))[0].place
            problems.append(Problem(str(error), *place, path=dotted((*loc, key))))
    return problems


def _blame_defaults(entry: Entry, chosen: dict[str, Any], error: ValidationError) -> None:
    """Raise PartError if what is wrong is a type or a default, which is the part's fault."""
    for details in error.errors():
        option = entry.options.get(str(details["loc"][0]))
        if option and schema_of(option.annotation) is None:
            raise PartError(
                f"{entry.kind} {entry.name!r}: option {option.name!r} is of type "
                f"{in_words(option.annotation)}, which no recipe can hold",
                where=entry.where,
                hint="numbers, words, Literal[...], tuple[...] of them, or a path",
            )
        if option and not option.required and option.name not in chosen:
            raise PartError(
                f"{entry.kind} {entry.name!r}: the default of option {option.name!r} is {option.default!r}, "
                f"which its type does not allow",
                where=entry.where,
                hint=f"allowed: {in_words(option.annotation)}",
            )


def _resolved(value: Any, written: Any) -> Any:
    """Paths count from the file they are written in, also those in a list or a mapping."""
    if isinstance(value, Path):
        return resolve(str(value), getattr(written, "file", ""))
    if type(value) in (list, tuple):
        items = written if isinstance(written, list) else [None] * len(value)
        return type(value)(_resolved(*pair) for pair in zip(value, items, strict=False))
    if type(value) is dict:
        pairs = written if isinstance(written, dict) else {}
        return {key: _resolved(item, pairs.get(key)) for key, item in value.items()}
    return value


def _unknown_part(part: type[Part], named: Node, loc: Loc) -> Problem:
    registry = REGISTRIES[part.kind]
    guesses = registry.near(str(named.value))
    guess = f"did you mean {either([repr(guess) for guess in guesses])}? " if guesses else ""
    own = [entry.name for entry in registry.own()]
    allowed = f", allowed: {', '.join(own)}" if own and not registry.families else ""
    hint = (
        f"{guess}'segkit list {registry.plural}' shows all; those of a plugin need 'plugins:' or --plugins, "
        "or its package to be installed"
    )
    if silent := silent_plugins():
        names = ", ".join(path.name for path in silent)
        hint += (
            f"; {names} was read and registers nothing: has it lost its @{registry.plural.upper()}.register?"
        )
    problem = f"no {part.kind} is called {named.value!r}{allowed}"
    return Problem(problem, *named.place, path=dotted((*loc, "name")), hint=hint)

"""`load_recipe`: from a YAML file to a complete, checked `Recipe`, or to every problem in it at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from segkit.errors import Problem, RecipeError
from segkit.home import resolve
from segkit.plugins import load_builtins, load_plugin
from segkit.recipe.merge import read_tree
from segkit.recipe.problems import translate
from segkit.recipe.schema import Part, Recipe, part_at
from segkit.recipe.yaml_tree import Node, Text
from segkit.registry import REGISTRIES, Entry

Loc = tuple[str | int, ...]


def load_recipe(
    path: Path | str, overrides: Sequence[str] = (), plugins: Sequence[Path] = (), *, demo: bool = False
) -> Recipe:
    """Read a recipe, what it extends and what is set over it; check it; fill in every default.

    Args:
        path: the YAML file.
        overrides: as `--set` takes them: ``training.epochs=2``.
        plugins: files or folders with parts, beside those the recipe itself names.

    Raises:
        RecipeError: with every problem that can be known without data and without torch, by file and line.
        PartError: if a plugin breaks the contract of its kind.
    """
    load_builtins()
    tree = read_tree(Path(path), overrides)
    for plugin in [*plugins, *_plugins_of(tree)]:
        load_plugin(plugin)
    return _validate(tree)


def dump_recipe(recipe: Recipe) -> str:
    """A recipe as YAML, every default written out; running it repeats the run."""
    return yaml.safe_dump(
        _bare(recipe.model_dump(mode="json")), sort_keys=False, allow_unicode=True, width=100
    )


def _bare(value: Any) -> Any:
    """Without what is None: leaving a key out means the same and reads better."""
    if isinstance(value, dict):
        return {key: _bare(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_bare(item) for item in value]
    return str(value) if isinstance(value, str) else value


def _plugins_of(tree: Node) -> list[Path]:
    assert isinstance(tree.value, dict)
    listed = tree.value.get("plugins")
    items = listed.value if listed and isinstance(listed.value, list) else []
    return [resolve(item.value, item.place.file) for item in items if isinstance(item.value, str)]


def _validate(tree: Node) -> Recipe:
    plain = tree.plain()
    problems: list[Problem] = []
    for loc, node in _parts_in(tree):
        problems += _complete_part(tree, loc, node, plain)
    try:
        recipe = Recipe.model_validate(plain)
    except ValidationError as error:
        problems += translate(error, Recipe, tree)
    if problems:
        raise RecipeError.of(sorted(set(problems), key=lambda problem: (problem.file, problem.line)))
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
    entry = REGISTRIES[part.kind].get(named.value)
    if entry is None:
        return [_unknown_part(part, named, loc)]
    target = _descend(plain, loc)
    chosen = {key: value for key, value in target.items() if key not in part.model_fields}
    try:
        options = entry.schema.model_validate(chosen)
    except ValidationError as error:
        owner = f"{part.kind} {entry.name!r}"
        also = set(part.model_fields) - {"name"}
        return translate(error, entry.schema, tree, at=loc, of=owner, also=also)
    target.update({key: _resolved(getattr(options, key), chosen.get(key)) for key in entry.options})
    return []


def _descend(plain: Any, loc: Loc) -> dict[str, Any]:
    for key in loc:
        plain = plain[key]
    assert isinstance(plain, dict)
    return plain


def _resolved(value: Any, written: Any) -> Any:
    """A path option counts from the file it is written in."""
    if isinstance(value, Path):
        return resolve(str(value), written.file if isinstance(written, Text) else "")
    return value


def _unknown_part(part: type[Part], named: Node, loc: Loc) -> Problem:
    registry = REGISTRIES[part.kind]
    guesses = registry.near(str(named.value))
    guess = f"did you mean {' or '.join(map(repr, guesses))}? " if guesses else ""
    hint = f"{guess}'segkit list {part.kind}s' shows them all; a plugin's are found through 'plugins:' or --plugins"
    path = ".".join(map(str, (*loc, "name")))
    return Problem(f"no {part.kind} is called {named.value!r}", *named.place, path=path, hint=hint)


def entry_for(part: Part) -> Entry:
    """The registered part that a checked recipe names."""
    entry = REGISTRIES[part.kind].get(part.name)
    assert entry is not None, f"{part.kind} {part.name} was checked when the recipe was loaded"
    return entry

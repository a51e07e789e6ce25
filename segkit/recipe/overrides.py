"""`extends` and `--set`: merging of recipe trees; every value keeps its position."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from segkit.core.errors import Problem, RecipeError, worded
from segkit.core.paths import resolve
from segkit.recipe.part_schema import part_at
from segkit.recipe.shipped import names_in_words, recipe_file, shipped_recipes
from segkit.recipe.tree import Loc, Node, Position
from segkit.recipe.yaml_tree import parse_yaml, read_yaml

MAX_EXTENDS = 20
_KEYS_OF_CROP = frozenset(("scale", "crop", "validate_windows"))  # of `data`, with fit: crop


def read_tree(path: Path) -> Node:
    """A recipe merged over its base recipes.

    Args:
        path: recipe file, or name of a recipe that ships with segkit.

    Raises:
        RecipeError: if a file is not valid YAML, or `extends` is circular.
    """
    return _with_bases(recipe_file(path), ())


def override_tree(tree: Node, overrides: Sequence[str]) -> Node:
    """A recipe with changed values.

    Args:
        tree: the recipe.
        overrides: changes, such as ``model.decoder.dropout=0.1``; the value is YAML.

    Raises:
        RecipeError: if an override is invalid.
    """
    changed = tree
    for override in overrides:
        changed = _override(changed, override)
    return _without_keys_of_crop(changed, tree)


def override_position(override: str) -> str:
    """How messages name an override."""
    return worded(f"--set {override}", f"override {override!r}")


def put(node: Node, keys: Sequence[str], value: Node, path: Loc = ()) -> Node:
    """`node` with `value` merged over the value at `keys`.

    Raises:
        RecipeError: if a list has no such item.
    """
    if not keys:
        return overlay(node, normalise(value, path), path)
    key, rest = keys[0], keys[1:]
    if key.isdecimal() and isinstance(node.value, dict) and part_at((*path, 0)):
        node = Node([node], node.position)  # a list of one item, written without brackets
    if isinstance(node.value, list):
        indices = [str(index) for index in range(len(node.value))]
        if key not in indices:
            hint = f"its items are {', '.join(indices)}" if indices else "the list is empty"
            problem = f"the list has no item {key!r}"
            where = ".".join(map(str, path))
            raise RecipeError.of(
                [Problem(problem, *value.position, path=where, hint=f"{hint}; or set the whole list")]
            )
        items = list(node.value)
        items[int(key)] = put(items[int(key)], rest, value, (*path, int(key)))
        return Node(items, node.position)
    children = dict(node.value) if isinstance(node.value, dict) else {}
    child = children.get(key, Node(None, value.position))
    children[key] = put(child, rest, value, (*path, key))
    return Node(children, node.position)


def normalise(node: Node, path: Loc = ()) -> Node:
    """Replace bare part names (``loss: dice``) by mappings."""
    if isinstance(node.value, str) and part_at(path):
        return Node({"name": node}, node.position)
    if isinstance(node.value, dict):
        children = {key: normalise(child, (*path, key)) for key, child in node.value.items()}
        return Node(children, node.position)
    if isinstance(node.value, list):
        return Node([normalise(child, (*path, i)) for i, child in enumerate(node.value)], node.position)
    return node


def overlay(base: Node, top: Node, path: Loc = ()) -> Node:
    """`top` merged over `base`: mappings are merged, all other values replaced.

    A part with another name drops the options of the base part but keeps the keys of all parts of the kind,
    such as an encoder's `frozen`. A split with `by` replaces the base split.
    """
    if not isinstance(base.value, dict) or not isinstance(top.value, dict):
        return top
    if path == ("data", "split") and "by" in top.value:
        return top
    merged = dict(base.value)
    if (part := part_at(path)) and _name(top) not in (None, _name(base)):
        kept = {*part.common_keys()} - {"as"}  # a name chosen for another metric
        merged = {key: node for key, node in merged.items() if key in kept}
    for key, node in top.value.items():
        merged[key] = overlay(merged[key], node, (*path, key)) if key in merged else node
    return Node(merged, top.position)


def _with_bases(path: Path, descendants: tuple[str, ...]) -> Node:
    tree = normalise(read_yaml(path))
    assert isinstance(tree.value, dict)
    extends = tree.value.pop("extends", None)
    if extends is None:
        return tree

    def error(problem: str, hint: str = "") -> RecipeError:
        return RecipeError.of([Problem(problem, *extends.position, path="extends", hint=hint)])

    if not isinstance(extends.value, str):
        raise error("it must be the path of one recipe file", "extends: base.yaml")
    try:
        base = resolve(extends.value, str(path))
    except ValueError as access_error:
        raise error(str(access_error)) from None
    if not base.is_file():
        shipped = shipped_recipes()
        if extends.value not in shipped:
            hint = f"the path is relative to the folder of this recipe; {names_in_words()}"
            raise error(f"file not found: {base}", hint)
        base = shipped[extends.value]
    files = (*descendants, os.path.realpath(path))
    if len(files) > MAX_EXTENDS:
        raise error(f"recipes extend each other more than {MAX_EXTENDS} times", "merge some of them")
    if os.path.realpath(base) in files:
        raise error("the recipes extend each other in a circle", "remove one of the extends keys")
    base_tree = _with_bases(base, files)
    return _without_keys_of_crop(overlay(base_tree, tree), base_tree)


def _without_keys_of_crop(tree: Node, base: Node) -> Node:
    """A changed recipe; if it now has another `fit` than crop, without the keys of crop of its base."""
    data, former = tree.nearest(("data",))[0], base.nearest(("data",))[0]
    if not (isinstance(tree.value, dict) and isinstance(data.value, dict) and isinstance(former.value, dict)):
        return tree
    fit = data.value.get("fit")
    if fit is None or fit is former.value.get("fit") or fit.value == "crop":
        return tree
    unused = {key for key in _KEYS_OF_CROP & former.value.keys() if data.value[key] is former.value[key]}
    used = {key: node for key, node in data.value.items() if key not in unused}
    return Node({**tree.value, "data": Node(used, data.position)}, tree.position)


def _name(node: Node) -> object:
    assert isinstance(node.value, dict)
    name = node.value.get("name")
    return name.value if name else None


def _override(tree: Node, override: str) -> Node:
    position = Position(override_position(override), 0)
    path, equals, text = override.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        hint = "write PATH=VALUE, as in training.epochs=2"
        raise RecipeError.of([Problem("it does not set a value", *position, hint=hint)])
    if keys == ["extends"]:
        hint = "write it into a recipe file"
        raise RecipeError.of([Problem("extends cannot be set", *position, hint=hint)])
    return put(tree, keys, parse_yaml(text, position.file, numbered=False))

"""`extends` and `--set`: one recipe laid over another, every value keeping its place."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from segkit.core.errors import Problem, RecipeError
from segkit.core.paths import resolve
from segkit.recipe.schema import part_at
from segkit.recipe.yaml_tree import Node, Place, parse_yaml, read_yaml

MAX_EXTENDS = 20

Loc = tuple[str | int, ...]


def read_tree(path: Path) -> Node:
    """A recipe file laid over what it extends.

    Raises:
        RecipeError: for what is no YAML, or a circle of `extends`.
    """
    return _with_bases(path, ())


def override_tree(tree: Node, overrides: Sequence[str]) -> Node:
    """A recipe with values changed.

    Args:
        tree: the recipe.
        overrides: as in ``model.decoder.dropout=0.1``; the value is YAML.

    Raises:
        RecipeError: for an override that is none.
    """
    for override in overrides:
        tree = _override(tree, override)
    return tree


def put(node: Node, keys: Sequence[str], value: Node, path: Loc = ()) -> Node:
    """`node` with `value` laid over what stands at `keys`.

    Raises:
        RecipeError: if a list on the way has no such item.
    """
    if not keys:
        return overlay(node, normalise(value, path), path)
    key, rest = keys[0], keys[1:]
    if key.isdecimal() and isinstance(node.value, dict) and part_at((*path, 0)):
        node = Node([node], node.place)  # a list of one, written without being a list
    if isinstance(node.value, list):
        known = [str(index) for index in range(len(node.value))]
        if key not in known:
            hint = f"its items are {', '.join(known)}" if known else "the list is empty"
            problem = f"a list has no item {key!r}"
            where = ".".join(map(str, path))
            raise RecipeError.of(
                [Problem(problem, *value.place, path=where, hint=f"{hint}; or set the whole list")]
            )
        items = list(node.value)
        items[int(key)] = put(items[int(key)], rest, value, (*path, int(key)))
        return Node(items, node.place)
    children = dict(node.value) if isinstance(node.value, dict) else {}
    below = children.get(key, Node(None, value.place))
    children[key] = put(below, rest, value, (*path, key))
    return Node(children, node.place)


def normalise(node: Node, path: Loc = ()) -> Node:
    """Write bare part names (``loss: dice``) out as mappings, so that there is one form to work with."""
    if isinstance(node.value, str) and part_at(path):
        return Node({"name": node}, node.place)
    if isinstance(node.value, dict):
        children = {key: normalise(child, (*path, key)) for key, child in node.value.items()}
        return Node(children, node.place)
    if isinstance(node.value, list):
        return Node([normalise(child, (*path, i)) for i, child in enumerate(node.value)], node.place)
    return node


def overlay(base: Node, top: Node, path: Loc = ()) -> Node:
    """`top` laid over `base`: mappings merge, everything else is replaced.

    A part of another name drops the options of the part below it; what segkit itself asks about every part
    of that kind (an encoder's `frozen`, say) stays. A split by something else is another split.
    """
    if not isinstance(base.value, dict) or not isinstance(top.value, dict):
        return top
    if path == ("data", "split") and "by" in top.value:
        return top
    kept = base.value
    if (part := part_at(path)) and _name(top) not in (None, _name(base)):
        kept = {key: node for key, node in kept.items() if key in part.model_fields}
    merged = dict(kept)
    for key, node in top.value.items():
        merged[key] = overlay(kept[key], node, (*path, key)) if key in kept else node
    return Node(merged, top.place)


def _with_bases(path: Path, above: tuple[str, ...]) -> Node:
    tree = normalise(read_yaml(path))
    assert isinstance(tree.value, dict)
    extends = tree.value.pop("extends", None)
    if extends is None:
        return tree

    def problem(words: str, hint: str = "") -> RecipeError:
        return RecipeError.of([Problem(words, *extends.place, path="extends", hint=hint)])

    if not isinstance(extends.value, str):
        raise problem("it names one recipe file", "extends: base.yaml")
    try:
        base = resolve(extends.value, str(path))
    except ValueError as error:
        raise problem(str(error)) from None
    identities = (*above, os.path.realpath(path))
    if len(identities) > MAX_EXTENDS:
        raise problem(f"recipes extend each other more than {MAX_EXTENDS} times", "put some of them into one")
    if os.path.realpath(base) in identities:
        raise problem("the recipes extend each other in a circle", "one of them has to stand alone")
    if not base.is_file():
        raise problem(f"there is no file {base}", "the path counts from the folder of this recipe")
    return overlay(_with_bases(base, identities), tree)


def _name(node: Node) -> object:
    assert isinstance(node.value, dict)
    name = node.value.get("name")
    return name.value if name else None


def _override(tree: Node, override: str) -> Node:
    place = Place(f"--set {override}", 0)
    path, equals, text = override.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        hint = "write --set PATH=VALUE, as in --set training.epochs=2"
        raise RecipeError.of([Problem("this sets nothing", *place, hint=hint)])
    if keys == ["extends"]:
        hint = "write it into a recipe file"
        raise RecipeError.of([Problem("what a recipe extends cannot be set", *place, hint=hint)])
    return put(tree, keys, parse_yaml(text, place.file, numbered=False))

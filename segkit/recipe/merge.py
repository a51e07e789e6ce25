"""`extends` and `--set`: one recipe laid over another, every value keeping its place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from segkit.errors import Problem, RecipeError
from segkit.recipe.schema import part_at
from segkit.recipe.yaml_tree import Node, Place, parse_yaml, read_yaml

Path_ = tuple[str | int, ...]


def read_tree(path: Path, overrides: Sequence[str] = ()) -> Node:
    """A recipe file with what it extends below it and the overrides above it.

    Args:
        path: the recipe.
        overrides: as in ``model.decoder.dropout=0.1``; the value is YAML.

    Raises:
        RecipeError: for what is no YAML, a circle of `extends`, or an override that is none.
    """
    tree = _with_bases(path, ())
    for override in overrides:
        tree = _override(tree, override)
    return tree


def _with_bases(path: Path, above: tuple[Path, ...]) -> Node:
    identity = path.absolute().resolve()
    tree = normalise(read_yaml(path))
    assert isinstance(tree.value, dict)
    extends = tree.value.pop("extends", None)
    if extends is None:
        return tree
    if not isinstance(extends.value, str):
        problem = Problem(
            "extends names one recipe file", *extends.place, path="extends", hint="extends: base.yaml"
        )
        raise RecipeError.of([problem])
    base = path.parent / extends.value
    if base.absolute().resolve() in (*above, identity):
        problem = Problem("the recipes extend each other in a circle", *extends.place, path="extends")
        raise RecipeError.of([problem])
    if not base.is_file():
        hint = "the path counts from the folder of this file"
        raise RecipeError.of([Problem(f"there is no {base}", *extends.place, path="extends", hint=hint)])
    return overlay(_with_bases(base, (*above, identity)), tree)


def normalise(node: Node, path: Path_ = ()) -> Node:
    """Write bare part names (``loss: dice``) out as mappings, so that there is one form to work with."""
    if isinstance(node.value, str) and part_at(path):
        return Node({"name": node}, node.place)
    if isinstance(node.value, dict):
        children = {key: normalise(child, (*path, key)) for key, child in node.value.items()}
        return Node(children, node.place)
    if isinstance(node.value, list):
        return Node([normalise(child, (*path, i)) for i, child in enumerate(node.value)], node.place)
    return node


def overlay(base: Node, top: Node, path: Path_ = ()) -> Node:
    """`top` laid over `base`: mappings merge, everything else is replaced.

    A part of another name drops the options of the part below it; what segkit itself asks about every part
    of that kind (an encoder's `frozen`, say) stays.
    """
    if not isinstance(base.value, dict) or not isinstance(top.value, dict):
        return top
    kept = base.value
    if (part := part_at(path)) and _name(top) not in (None, _name(base)):
        kept = {key: node for key, node in kept.items() if key in part.model_fields}
    merged = dict(kept)
    for key, node in top.value.items():
        merged[key] = overlay(kept[key], node, (*path, key)) if key in kept else node
    return Node(merged, top.place)


def _name(node: Node) -> object:
    assert isinstance(node.value, dict)
    name = node.value.get("name")
    return name.value if name else None


def _override(tree: Node, override: str) -> Node:
    dotted, equals, text = override.partition("=")
    place = Place(f"--set {override}", 0)
    keys = tuple(int(key) if key.isdecimal() else key for key in dotted.strip().split("."))
    if not equals or not all(str(key) for key in keys):
        hint = "write --set PATH=VALUE, as in --set training.epochs=2"
        raise RecipeError.of([Problem("this sets nothing", *place, hint=hint)])
    return _put(tree, keys, parse_yaml(text, place.file, numbered=False), ())


def _put(node: Node, keys: Path_, value: Node, path: Path_) -> Node:
    """`node` with `value` laid over what stands at `keys`."""
    if not keys:
        return overlay(node, normalise(value, path), path)
    key, rest = keys[0], keys[1:]
    if isinstance(node.value, list) and isinstance(key, int) and key < len(node.value):
        items = list(node.value)
        items[key] = _put(items[key], rest, value, (*path, key))
        return Node(items, node.place)
    if isinstance(node.value, list):
        hint = f"a list: its items are {', '.join(map(str, range(len(node.value)))) or 'none'}; or set the whole list"
        dotted = ".".join(map(str, path))
        raise RecipeError.of([Problem(f"{dotted} has no item {key}", *value.place, path=dotted, hint=hint)])
    children = dict(node.value) if isinstance(node.value, dict) else {}
    below = children.get(str(key), Node(None, value.place))
    children[str(key)] = _put(below, rest, value, (*path, str(key)))
    return Node(children, node.place)

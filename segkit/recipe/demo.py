"""`--demo`: any recipe on synthetic lesions, which need no data and no downloads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segkit.core.errors import PartError, Problem, RecipeError, WeightsError
from segkit.core.registry import ENCODERS, SOURCES
from segkit.recipe.overrides import put
from segkit.recipe.yaml_tree import Node, Place

if TYPE_CHECKING:
    from segkit.recipe.schema import Recipe

SOURCE = "synthetic_lesions"
_PLACE = Place("--demo", 0)


def as_demo(tree: Node) -> Node:
    """The same recipe on synthetic lesions, and without published numbers, which are about other images."""
    for keys, value in (
        (("data", "source"), SOURCE),
        (("data", "split"), "official"),
        (("reference",), None),
    ):
        tree = put(tree, keys, Node(value, _PLACE))
    name, description = (_text(tree, key) for key in ("name", "description"))
    if name:
        tree = put(tree, ["name"], Node(f"{name[:95]}_demo", _PLACE))
    return _described(tree, description or "", "Demo on synthetic lesions.")


def fit_to_demo(tree: Node, recipe: Recipe) -> Node:
    """Random weights for the encoder, if those that it wants are not on this machine.

    Args:
        tree: what `as_demo` gave, with what is set over it.
        recipe: the same, checked.

    Raises:
        RecipeError: if the task is one that synthetic lesions cannot be drawn for.
    """
    _check_task(tree, recipe)
    encoder = recipe.model.encoder
    weights = encoder.options.get("weights")
    if not isinstance(weights, str) or weights == "none" or _is_here(encoder.name, weights):
        return tree
    tree = put(tree, ["model", "encoder", "weights"], Node("none", _PLACE))
    return _described(
        tree,
        recipe.description,
        f"The encoder begins with random weights, as {weights} of {encoder.name} are not on this machine.",
    )


def _is_here(encoder: str, weights: str) -> bool:
    if encoder in {entry.name for entry in ENCODERS.own()}:
        return True  # a plugin's weights are its own affair
    from segkit.parts.encoders._pretrained import find_weights

    try:
        return find_weights(encoder, weights) is not None
    except WeightsError:
        return False


def _check_task(tree: Node, recipe: Recipe) -> None:
    source = SOURCES.get(recipe.data.source.name)
    if source is None or source.name != SOURCE:
        return  # --set has chosen another one
    try:
        source.factory(recipe.data.goal, recipe.data.channels)
    except PartError as error:
        place = tree.nearest(("data", "classes"))[0].place
        hint = "run the recipe on its own data, without --demo"
        problem = Problem(f"no demo: {error.problems[0].problem}", *place, path="data.classes", hint=hint)
        raise RecipeError.of([problem]) from None


def _text(tree: Node, key: str) -> str | None:
    value = tree.nearest((key,))[0].value
    return value if isinstance(value, str) else None


def _described(tree: Node, description: str, sentence: str) -> Node:
    return put(tree, ["description"], Node(f"{description} {sentence}".strip(), _PLACE))

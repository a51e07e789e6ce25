"""`--demo`: a recipe on synthetic lesions, without data and downloads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segkit.core.errors import PartError, Problem, RecipeError, WeightsError
from segkit.core.registry import ENCODERS, SOURCES
from segkit.recipe.overrides import put
from segkit.recipe.tree import Node, Position

if TYPE_CHECKING:
    from segkit.recipe.schema import Recipe

SOURCE = "synthetic_lesions"
_POSITION = Position("demo", 0)
_CHANNELS = (1, 3, 4)  # that can be drawn
_OF_IMAGES: dict[tuple[str, ...], str | None] = {  # and their defaults
    ("data", "bands"): None, ("data", "range"): "auto", ("model", "encoder", "rgb"): None,
}  # fmt: skip


def as_demo(tree: Node) -> Node:
    """The recipe on synthetic lesions, without bands, range and results, which are of other images."""
    for keys, value in (
        (("data", "source"), SOURCE),
        (("data", "split"), "official"),
        (("reference",), None),
    ):
        tree = put(tree, keys, Node(value, _POSITION))
    for path, default in _OF_IMAGES.items():
        if tree.nearest(path)[1] == path:  # an encoder of a plugin may have no such option
            tree = put(tree, path, Node(default, _POSITION))
    if tree.nearest(("data", "sample", "balance"))[0].value == "group":  # there are none without a split
        tree = put(tree, ("data", "sample", "balance"), Node(None, _POSITION))
    if tree.nearest(("data", "channels"))[0].value not in _CHANNELS:
        tree = put(tree, ("data", "channels"), Node("auto", _POSITION))
    if name := _text(tree, "name"):
        tree = put(tree, ["name"], Node(f"{name[:95]}_demo", _POSITION))
    return _describe(tree, _text(tree, "description"), "Demo on synthetic lesions.")


def fit_to_demo(tree: Node, recipe: Recipe) -> Node:
    """Use random weights for the encoder if its weights are not on this machine.

    Args:
        tree: result of `as_demo`, with overrides.
        recipe: the checked recipe of the tree.

    Raises:
        RecipeError: if synthetic lesions do not support the task.
    """
    _check_task(tree, recipe)
    encoder = recipe.model.encoder
    weights = encoder.options.get("weights")
    if not isinstance(weights, str) or weights == "none" or _is_on_this_machine(encoder.name, weights):
        return tree
    tree = put(tree, ["model", "encoder", "weights"], Node("none", _POSITION))
    sentence = f"The encoder has random weights, as {weights} of {encoder.name} are not on this machine."
    return _describe(tree, recipe.description, sentence)


def _is_on_this_machine(encoder: str, weights: str) -> bool:
    if encoder in {entry.name for entry in ENCODERS.own()}:
        return True  # plugins load their weights themselves
    from segkit.parts.encoders._pretrained import find_weights

    try:
        return find_weights(encoder, weights) is not None
    except WeightsError:
        return False


def _check_task(tree: Node, recipe: Recipe) -> None:
    source = SOURCES.get(recipe.data.source.name)
    if source is None or source.name != SOURCE:
        return  # --set selects another source
    try:
        source.factory(recipe.data.goal, recipe.data.file_channels)
    except PartError as error:
        position = tree.nearest(("data", "classes"))[0].position
        hint = "run the recipe on its own data"
        message = f"a demo is not possible: {error.problems[0].problem}"
        raise RecipeError.of([Problem(message, *position, path="data.classes", hint=hint)]) from None


def _text(tree: Node, key: str) -> str:
    value = tree.nearest((key,))[0].value
    return value if isinstance(value, str) else ""


def _describe(tree: Node, description: str, sentence: str) -> Node:
    return put(tree, ["description"], Node(f"{description} {sentence}".strip(), _POSITION))

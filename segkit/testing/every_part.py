"""What is asked of every part, whatever its kind."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from segkit.recipe import Recipe, dump_recipe, load_recipe
from segkit.recipe.type_names import in_words, schema_of
from segkit.testing.check import Point, Subject, require

_RECIPE = """
name: contract
data: {source: {name: synthetic_lesions, train: 2, test: 1, size: 32}, size: [32, 32]}
model: {encoder: {name: test_resnet, weights: none}, decoder: transposed_conv}
loss: dice
optimizer: {name: adamw, lr: 0.001}
metrics: iou
"""
_PLACES = {
    "encoder": "model.encoder",
    "decoder": "model.decoder",
    "source": "data.source",
    "transform": "data.augment",
    "metric": "metrics",
}


def it_says_what_it_is(subject: Subject) -> None:
    """`segkit list` and `segkit show` print the docstring's first paragraph."""
    require(bool(subject.entry.summary), "it has no docstring", "say in its first line what it is")


def every_option_has_a_meaning(subject: Subject) -> None:
    """`segkit show` prints what the docstring says of an option, and editors show it while one types."""
    silent = [name for name, option in subject.entry.options.items() if not option.meaning]
    require(
        not silent,
        f"the docstring says nothing about {', '.join(silent)}",
        "an Args: block with a line for each option",
    )


def every_option_has_a_type_that_yaml_can_hold(subject: Subject) -> None:
    """A recipe is text: numbers, words, lists and mappings of them."""
    for option in subject.entry.options.values():
        require(
            schema_of(option.annotation) is not None,
            f"option {option.name!r} is of type {in_words(option.annotation)}, which no recipe can hold",
            "numbers, words, Literal[...], tuple[...] of them, or a path",
        )


def every_default_is_what_its_type_allows(subject: Subject) -> None:
    """Defaults are written into the saved recipe, and checked there as if the user had written them."""
    options = subject.entry.options
    required = {name: subject.options[name] for name, option in options.items() if option.required}
    try:
        subject.entry.schema.model_validate(required)
    except ValidationError as error:
        option = options[str(error.errors()[0]["loc"][0])]
        require(
            False,
            f"the default of option {option.name!r} is {option.default!r}",
            f"its type allows {in_words(option.annotation)}",
        )


def options_survive_recipe_and_saved_recipe(subject: Subject) -> None:
    """A saved recipe repeats its run: what it says of the part is what the part was built with."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "recipe.yaml"
        file.write_text(_RECIPE, encoding="utf-8")
        chosen = load_recipe(file, [_override(subject)])
        file.write_text(dump_recipe(chosen), encoding="utf-8")
        saved = load_recipe(file)
    for recipe in (chosen, saved):
        found = _options_in(recipe, subject)
        for name, wanted in subject.options.items():
            require(
                found[name] == wanted,
                f"option {name!r} was {wanted!r} and came back from a recipe as {found[name]!r}",
                "a type that YAML keeps: numbers, words, tuples of them",
            )


def _override(subject: Subject) -> str:
    """As `--set` takes it; JSON is YAML."""
    part = json.dumps({"name": subject.entry.name, **to_jsonable_python(dict(subject.options))})
    kind = subject.entry.kind
    return f"{_PLACES.get(kind, kind)}={f'[{part}]' if kind == 'transform' else part}"


def _options_in(recipe: Recipe, subject: Subject) -> dict[str, Any]:
    wanted = (subject.entry.kind, subject.entry.name)
    return next(part.options for part in recipe.parts() if (part.kind, part.name) == wanted)


CHECKS: tuple[Point, ...] = (
    it_says_what_it_is,
    every_option_has_a_meaning,
    every_option_has_a_type_that_yaml_can_hold,
    every_default_is_what_its_type_allows,
    options_survive_recipe_and_saved_recipe,
)

"""What is asked of every part, whatever its kind."""

from __future__ import annotations

from pydantic import ValidationError

from segkit.recipe.type_names import in_words, schema_of
from segkit.testing.check import Point, Subject, require


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


CHECKS: tuple[Point, ...] = (
    it_says_what_it_is,
    every_option_has_a_meaning,
    every_option_has_a_type_that_yaml_can_hold,
    every_default_is_what_its_type_allows,
)

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from segkit.recipe.type_names import either, in_words


class Thing:
    """Something of which pydantic knows nothing."""


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int, "a whole number"),
        (float, "a number"),
        (str, "text"),
        (bool, "true or false"),
        (Path, "a path"),
        (Any, ""),
        (int | None, "a whole number or null"),
        (bool | None, "true or false, or null"),
        (Literal["a"], "a"),
        (Literal["a", "b", "c"], "a, b or c"),
        (Literal[1, True, None], "1, true or null"),
        (Annotated[int, Field(ge=1, le=9)], "a whole number from 1 to 9"),
        (Annotated[int, Field(ge=1)], "a whole number of at least 1"),
        (Annotated[float, Field(ge=0, lt=1)], "a number of at least 0 and below 1"),
        (Annotated[int, Field(multiple_of=32)], "a whole number divisible by 32"),
        (Annotated[int, Field(ge=32, multiple_of=32)], "a whole number of at least 32 and divisible by 32"),
        (Annotated[float, Field(gt=0)] | None, "a number above 0 or null"),
        (Annotated[str, Field(min_length=1, max_length=9)], "text of 1 to 9 characters"),
        (Annotated[str, Field(min_length=2)], "text of at least 2 characters"),
        (Annotated[str, Field(pattern="^a")], "text like ^a"),
        (list[str], "a list of texts"),
        (list[Path], "a list of values, each a path"),
        (list[Any], "a list of values"),
        (tuple[float, ...], "a list of numbers"),
        (tuple[Annotated[int, Field(ge=1)], ...], "a list of whole numbers, each at least 1"),
        (tuple[int, int], "a list of 2 whole numbers"),
        (tuple[int, str], "a list of 2: a whole number; text"),
        (Annotated[list[int], Field(min_length=1)], "a list of one or more whole numbers"),
        (Annotated[list[int], Field(min_length=1, max_length=3)], "a list of 1 to 3 whole numbers"),
        (Literal[2, 3] | tuple[Literal[2, 3], ...], "2 or 3, or a list of values, each 2 or 3"),
        (dict[str, float], "a mapping from names to a number"),
        (dict[Literal["a", "b"], int], "a mapping from a or b to a whole number"),
        (dict[str, Any], "a mapping of keys to values"),
        (Any | None, ""),
        (Thing, "Thing"),
    ],
)
def test_types_in_words(annotation: Any, words: str) -> None:
    assert in_words(annotation) == words


def test_alternatives_are_named_once() -> None:
    assert either(["a", "b", "a"]) == "a or b"
    assert either(["a"]) == "a"

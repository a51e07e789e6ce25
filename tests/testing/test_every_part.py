"""What is asked of every part: small broken parts are caught, with the words their authors read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from segkit.core.registry import LOSSES, REGISTRIES, Entry, entry_of
from segkit.testing import Check, ContractError, part_checks
from segkit.testing.every_part import CHECKS


def good(
    task: Any,
    *,
    width: Annotated[int, Field(ge=1)] = 3,
    shares: tuple[float, ...] = (0.5, 1e-7),
    names: dict[str, int] | None = None,
    way: Literal["up", "down"] = "up",
    said: str = "no: #1",
) -> None:
    """A part with options of every kind.

    Args:
        width: one.
        shares: two.
        names: three.
        way: four.
        said: five.
    """


def silent(task: Any) -> None: ...


def terse(task: Any, *, width: int = 3, depth: int = 2) -> None:
    """It says little.

    Args:
        width: something.
    """


class Width:
    """No type of YAML."""


def unwritable(task: Any, *, width: Width | None = None) -> None:
    """It wants what no recipe holds.

    Args:
        width: an object.
    """


def contradictory(task: Any, *, width: Annotated[int, Field(ge=1)] = 0) -> None:
    """Its default is out of bounds.

    Args:
        width: of it.
    """


def checks(factory: Callable[..., Any]) -> dict[str, Check]:
    entry: Entry = entry_of(LOSSES, "broken", factory)
    return {check.title: check for check in part_checks(entry) if check.point in CHECKS}


def test_a_part_with_options_of_every_kind_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    LOSSES.register("broken")(good)
    for check in checks(good).values():
        check()


@pytest.mark.parametrize(
    ("factory", "title", "message"),
    [
        (silent, "it says what it is", "it has no docstring\n  try: say in its first line what it is"),
        (
            terse,
            "every option has a meaning",
            "the docstring says nothing about depth\n  try: an Args: block with a line for each option",
        ),
        (
            unwritable,
            "every option has a type that yaml can hold",
            "option 'width' is of type tests.testing.test_every_part.Width | None, which no recipe can hold",
        ),
        (
            contradictory,
            "every default is what its type allows",
            "the default of option 'width' is 0\n  try: its type allows a whole number of at least 1",
        ),
    ],
)
def test_a_broken_part_is_caught(factory: Callable[..., Any], title: str, message: str) -> None:
    with pytest.raises(ContractError) as caught:
        checks(factory)[title]()
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{__file__}:{factory.__code__.co_firstlineno}: ")


def test_a_family_part_can_be_tried_like_any_other() -> None:
    entry = REGISTRIES["transform"].get("HorizontalFlip")
    assert entry is not None
    for check in part_checks(entry):
        if check.point in CHECKS:
            check()

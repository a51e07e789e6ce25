"""A check names the problem, the line at fault and what to try, and leaves random states alone."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
import torch
from pydantic import Field

from segkit.core.errors import PartError
from segkit.core.registry import LOSSES, REGISTRIES, entry_of
from segkit.testing import Check, ContractError, Subject, part_checks, require, run_checks
from segkit.testing.check import error_context
from segkit.testing.collect import GENERAL_CHECKS
from segkit.testing.option_values import is_large, values_to_try


def part(task: Any, *, width: int = 3) -> int:
    """A part that fails for one width."""
    if width == 4:
        raise ValueError("four is too many\nand more")
    random.random(), np.random.rand(), torch.rand(())
    return width


SUBJECT = Subject(entry_of(LOSSES, "part", part), {"width": 3})


def it_passes(subject: Subject) -> None:
    subject.build(None)


def it_is_three(subject: Subject) -> None:
    require(subject.build(None, width=5, height=7) == 3, "it is 5", "make it 3")


def it_fits(subject: Subject) -> None:
    raise PartError("it does not fit", hint="another task")


def it_takes_four(subject: Subject) -> None:
    with error_context("it cannot be tested"), error_context("with the number four"):
        subject.build(None, width=4)


def test_outcome_of_a_passed_check_has_no_problem() -> None:
    outcome = Check(SUBJECT, it_passes).outcome()
    assert outcome.passed
    assert str(outcome.check) == "loss part: it passes"
    assert {**outcome.as_json(), "seconds": 0} == {
        "part": "loss part",
        "check": "it passes",
        "ok": True,
        "problem": "",
        "where": "",
        "hint": "",
        "seconds": 0,
    }


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (it_is_three, "it is 5\n  try: make it 3"),
        (it_fits, "it does not fit\n  try: another task"),
    ],
)
def test_error_names_the_line_of_the_part(function: Any, message: str) -> None:
    with pytest.raises(ContractError) as caught:
        Check(SUBJECT, function)()
    line = function.__code__.co_firstlineno + 1  # this file is that of the part, too
    assert str(caught.value) == f"{__file__}:{line}: {message}"


def test_error_of_the_part_has_its_context_and_the_failing_line() -> None:
    problem = Check(SUBJECT, it_takes_four).outcome().problem
    assert problem is not None
    assert (
        problem.problem == "it cannot be tested: with the number four: it fails: ValueError: four is too many"
    )
    line = int(problem.file.rpartition(":")[2])
    assert "raise ValueError" in Path(__file__).read_text().splitlines()[line - 1]


def test_check_runs_on_every_case_and_names_it() -> None:
    check = Check(SUBJECT, lambda case: require(case < 2, "it is two"), lambda subject: range(3))
    problem = check.outcome().problem
    assert problem is not None
    assert problem.problem == "2: it is two"


def test_global_random_states_stay_unchanged() -> None:
    def states() -> Any:
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()

    before = states()
    Check(SUBJECT, it_passes)()
    assert states() == before


def good(
    task: Any,
    *,
    width: Annotated[int, Field(ge=1)] = 3,
    shares: tuple[float, ...] = (0.5, 1e-7),
    names: dict[str, int] | None = None,
    direction: Literal["up", "down"] = "up",
    text: str = "no: #1",
) -> None:
    """A part with options of every kind.

    Args:
        width: one.
        shares: two.
        names: three.
        direction: four.
        text: five.
    """


def without_docstring(task: Any) -> None: ...


def incomplete(task: Any, *, width: int = 3, depth: int = 2) -> None:
    """A part with one description.

    Args:
        width: one.
    """


def contradictory(task: Any, *, width: Annotated[int, Field(ge=1)] = 0) -> None:
    """A part whose default is out of bounds.

    Args:
        width: one.
    """


def general_checks(factory: Callable[..., Any]) -> dict[str, Check]:
    checks = part_checks(entry_of(LOSSES, "broken", factory))
    return {check.title: check for check in checks if check.function in GENERAL_CHECKS[:2]}


def test_part_with_options_of_every_kind_passes() -> None:
    for check in general_checks(good).values():
        check()


@pytest.mark.parametrize(
    ("factory", "title", "message"),
    [
        (
            without_docstring,
            "every option has a description",
            "it has no docstring\n  try: a docstring that describes the part, and an Args: block with a line",
        ),
        (incomplete, "every option has a description", "the docstring does not describe depth\n  try: a doc"),
        (
            contradictory,
            "every default is valid",
            "the default of option 'width' is 0\n  try: its type allows a whole number of at least 1",
        ),
    ],
)
def test_broken_signature_is_caught(factory: Callable[..., Any], title: str, message: str) -> None:
    with pytest.raises(ContractError) as caught:
        general_checks(factory)[title]()
    assert str(caught.value).startswith(f"{__file__}:{factory.__code__.co_firstlineno}: {message}")


def test_part_of_a_family_has_checks() -> None:
    entry = REGISTRIES["transform"].get("HorizontalFlip")
    assert entry is not None
    for check in part_checks(entry):
        check()


def test_of_a_part_without_a_test_case_only_the_first_check_that_needs_one_is_run() -> None:
    def no_case(subject: Subject) -> list[int]:
        return [subject.build(None, width=4)]

    first, second = Subject(SUBJECT.entry, {"width": 3}), Subject(SUBJECT.entry, {"width": 3})
    checks = [
        Check(first, it_passes), Check(first, it_is_three, no_case), Check(first, it_fits, no_case),
        Check(second, it_fits), Check(second, it_takes_four), Check(second, it_passes),
    ]  # fmt: skip
    outcomes = list(run_checks(checks))
    assert [outcome.check for outcome in outcomes] == [*checks[:2], *checks[3:]]
    causes = [outcome.error.cause for outcome in outcomes if outcome.error]
    assert causes[0] == causes[2] != causes[1]  # the line that fails, whatever is said of it


# Values of options


@pytest.mark.parametrize(
    ("annotation", "current", "values"),
    [
        (Literal["a", "b", 3], "a", ["b", 3]),
        (bool, True, [False]),
        (Literal["up"] | None, None, ["up"]),
        (int, 3, []),
        (Annotated[int, Field(ge=1, le=64)], 8, [1, 64]),
        (Annotated[int, Field(gt=1, lt=64)], 8, [2, 63]),
        (Annotated[int, Field(ge=1, le=100, multiple_of=32)], 64, [32, 96]),
        (Annotated[float, Field(ge=0, lt=1)], 0.5, [0, 0.999]),
        (tuple[Literal[2, 3], ...], (2, 2), [[3, 3]]),
        (Literal[2, 3] | tuple[Literal[2, 3], ...], 2, [3]),
        (tuple[Annotated[int, Field(ge=1)], str], (5, "a"), [[1, "a"]]),
        (dict[str, int], {"a": 1}, []),
        (str, "a", []),
        (Any, None, []),
    ],
)
def test_values_of_an_option_are_its_choices_and_bounds(
    annotation: Any, current: Any, values: list[Any]
) -> None:
    assert values_to_try(annotation, current) == values


def test_large_values_are_those_that_need_memory() -> None:
    assert [is_large(value, 16) for value in (1, 256, 257, [8, 65536], "a", True)] == [
        False, False, True, True, False, False,
    ]  # fmt: skip
    assert not is_large(2048, 512)

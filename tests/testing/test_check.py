"""A check tells what is wrong, where, and what to do; whatever happens in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from segkit.core.errors import PartError
from segkit.core.registry import LOSSES, entry_of
from segkit.testing import Check, ContractError, Subject, require
from segkit.testing.check import tried_with


def part(task: Any, *, width: int = 3) -> int:
    """A part that fails for one width."""
    if width == 4:
        raise ValueError("four is too many\nand more")
    return width


SUBJECT = Subject(entry_of(LOSSES, "part", part), {"width": 3})
HERE = f"{__file__}:{part.__code__.co_firstlineno}"


def it_is_fine(subject: Subject) -> None:
    subject.build(None)


def it_is_three(subject: Subject) -> None:
    require(subject.build(None, width=5, height=7) == 3, "it is 5", "make it 3")


def it_fits(subject: Subject) -> None:
    raise PartError("it does not fit", hint="another task")


def it_takes_four(subject: Subject) -> None:
    subject.build(None, width=4)


def test_what_is_kept_is_told_without_a_problem() -> None:
    outcome = Check(SUBJECT, it_is_fine).outcome()
    assert outcome.kept
    assert str(outcome.check) == "loss part: it is fine"
    assert {**outcome.as_json(), "seconds": 0} == {
        "part": "loss part",
        "check": "it is fine",
        "ok": True,
        "problem": "",
        "where": "",
        "hint": "",
        "seconds": 0,
    }


@pytest.mark.parametrize(
    ("point", "message"),
    [
        (it_is_three, f"{HERE}: it is 5\n  try: make it 3"),
        (it_fits, f"{HERE}: it does not fit\n  try: another task"),
    ],
)
def test_what_is_not_kept_is_told_with_the_part_s_place(point: Any, message: str) -> None:
    with pytest.raises(ContractError) as caught:
        Check(SUBJECT, point)()
    told = str(caught.value)
    assert told.partition(": ")[2] == message.partition(": ")[2]
    assert told.startswith(f"{__file__}:")


def it_takes_four_in_a_case(subject: Subject) -> None:
    with tried_with("it cannot be tried"), tried_with("on the number four"):
        subject.build(None, width=4)


def test_what_a_part_was_tried_with_is_told_before_its_failure() -> None:
    outcome = Check(SUBJECT, it_takes_four_in_a_case).outcome()
    assert outcome.problem is not None
    told = "it cannot be tried: on the number four: it fails: ValueError: four is too many"
    assert outcome.problem.problem == told


def test_a_part_that_fails_is_told_with_the_failing_line() -> None:
    outcome = Check(SUBJECT, it_takes_four).outcome()
    assert outcome.problem is not None
    assert outcome.problem.problem == "it fails: ValueError: four is too many"
    line = int(outcome.problem.file.rpartition(":")[2])
    assert "raise ValueError" in Path(__file__).read_text().splitlines()[line - 1]

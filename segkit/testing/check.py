"""One point of a contract, tried on one part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from time import perf_counter
from typing import Any, TypeVar

from segkit.core.errors import DataError, PartError, Problem, SegkitError, ShapeError, line_at_fault
from segkit.core.registry import Entry
from segkit.testing.states import global_seed

Case = TypeVar("Case")
Candidate = TypeVar("Candidate")


class ContractError(SegkitError):
    """A part does not keep the contract of its kind."""

    exit_code = 1


def require(kept: bool, problem: str, hint: str = "") -> None:
    """Refuse a part that does not keep a point.

    Args:
        kept: whether it does.
        problem: what it does instead, with the figures that show it.
        hint: what to change in the part.

    Raises:
        ContractError: if not.
    """
    if not kept:
        raise ContractError(problem, hint=hint)


@contextmanager
def tried_with(what: str) -> Iterator[None]:
    """Note on any error that is raised in it what the part was tried with; the message begins with it.

    Args:
        what: in words, such as "an image of 64x64".
    """
    try:
        yield
    except Exception as error:
        error.add_note(what)
        raise


@dataclass(frozen=True, eq=False)  # one is told from another by identity, as options have no hash
class Subject:
    """A part with the options it is tried with.

    Args:
        entry: the part.
        options: complete and checked, as a recipe has them.
    """

    entry: Entry
    options: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.entry.kind} {self.entry.name}"

    def build(self, *given: Any, **changed: Any) -> Any:
        """Build the part as a run does.

        Args:
            given: what segkit gives every part of the kind.
            changed: options that differ; those that the part does not have are left out.
        """
        known = {name: value for name, value in changed.items() if name in self.entry.options}
        return self.entry.factory(*given, **{**self.options, **known})


Point = Callable[[Subject], None]
"""A point of a contract: raises where the part does not keep it. Its name is its title."""


def accepted(
    what: str,
    candidates: Iterable[Candidate],
    make: Callable[[Candidate], Case],
    otherwise: Iterable[Candidate] = (),
) -> list[Case]:
    """What a part accepts: it may refuse some candidates by a PartError, ShapeError or DataError, not all.

    Args:
        what: is tried, for the message, such as "task".
        candidates: all of them are tried.
        make: builds the part for a candidate.
        otherwise: candidates of which the first that is accepted is taken, where all others are a PartError.

    Raises:
        ContractError: if it refuses all.
    """
    made: list[Case] = []
    refusals: list[SegkitError] = []
    for candidate in candidates:
        try:
            made.append(make(candidate))
        except (PartError, ShapeError, DataError) as error:
            refusals.append(error)
    if not made and all(isinstance(error, PartError) for error in refusals):
        for candidate in otherwise:
            try:
                return [make(candidate)]
            except (PartError, ShapeError, DataError):
                continue
    reasons = dict.fromkeys(error.problems[0].problem for error in refusals)
    hint = refusals[0].problems[0].hint if refusals else ""
    require(
        bool(made), f"it refuses every {what}: {'; '.join(reasons)}", hint or "refuse only what cannot work"
    )
    return made


def on_every(cases: Callable[[Subject], Iterable[Case]]) -> Callable[[Callable[[Case], None]], Point]:
    """Turn a function of one case into a point that is tried on every case that a part accepts.

    Problems name the case.
    """

    def decorate(said: Callable[[Case], None]) -> Point:
        @wraps(said)
        def point(subject: Subject) -> None:
            for case in cases(subject):
                with tried_with(str(case)):
                    said(case)

        return point

    return decorate


@dataclass(frozen=True)
class Check:
    """A point to be tried on a part."""

    subject: Subject
    point: Point

    @property
    def title(self) -> str:
        """What is checked, in words."""
        return self.point.__name__.replace("_", " ")

    def __str__(self) -> str:
        return f"{self.subject}: {self.title}"

    def __call__(self) -> None:
        """Try it.

        Raises:
            ContractError: if the part does not keep the point, or fails while it is tried; names its line.
        """
        try:
            with global_seed(0):  # the caller's random states stay as they are
                self.point(self.subject)
        except Exception as error:
            raise self._told(error) from error

    def outcome(self) -> Outcome:
        """Try it, and tell how it went."""
        clock = perf_counter()
        try:
            self()
        except ContractError as error:
            return Outcome(self, error.problems[0], perf_counter() - clock)
        return Outcome(self, None, perf_counter() - clock)

    def _told(self, error: Exception) -> ContractError:
        where = line_at_fault(error, self.subject.entry.where)
        tried = reversed(getattr(error, "__notes__", []))
        if isinstance(error, SegkitError):
            first = error.problems[0]
            return ContractError(
                ": ".join((*tried, first.problem)), where=first.file or where, hint=first.hint
            )
        reason = next(iter(str(error).splitlines()), "")
        told = (*tried, "it fails", type(error).__name__, reason)
        return ContractError(": ".join(told).rstrip(": "), where=where)


@dataclass(frozen=True)
class Outcome:
    """How a check went.

    Args:
        check: what was tried.
        problem: what the part does instead; None if it keeps the point.
        seconds: how long it took.
    """

    check: Check
    problem: Problem | None
    seconds: float

    @property
    def kept(self) -> bool:
        """Whether the part keeps the point."""
        return self.problem is None

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        told = self.problem or Problem("")
        return {
            "part": str(self.check.subject),
            "check": self.check.title,
            "ok": self.kept,
            "problem": told.problem,
            "where": told.where,
            "hint": told.hint,
            "seconds": self.seconds,
        }

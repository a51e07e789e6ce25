"""One point of a contract, tried on one part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from segkit.core.errors import Problem, SegkitError, line_at_fault
from segkit.core.registry import Entry


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
    """Whatever a part raises in it is told with what the part was tried with.

    Args:
        what: in words, such as "an image of 64x64"; what is wrapped around it is told before it.
    """
    try:
        yield
    except Exception as error:
        error.add_note(what)
        raise


@dataclass(frozen=True)
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
        if isinstance(error, SegkitError):
            first = error.problems[0]
            return ContractError(first.problem, where=first.file or where, hint=first.hint)
        reason = next(iter(str(error).splitlines()), "")
        told = (*reversed(getattr(error, "__notes__", [])), "it fails", type(error).__name__, reason)
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

"""Contract checks of one part, and their outcomes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeVar

import numpy as np
import torch

from segkit.core import errors
from segkit.core.errors import DataError, PartError, Problem, SegkitError, ShapeError
from segkit.core.registry import Entry

Case = TypeVar("Case")


class ContractError(SegkitError):
    """A part violates the contract of its kind."""

    exit_code = 1
    cause: tuple[str, ...] = ()  # the same for all checks that fail for one reason
    in_every_check = False  # as no test case can be made


class AllRefusedError(ContractError):
    """A part refuses all test cases."""


def require(condition: bool, problem: str, hint: str = "") -> None:
    """Raise ContractError with the observed problem unless a condition holds."""
    if not condition:
        raise ContractError(problem, hint=hint)


@contextmanager
def error_context(context: str) -> Iterator[None]:
    """Prefix the messages of errors raised inside with a description of the test case."""
    try:
        yield
    except Exception as error:
        error.add_note(context)
        raise


@dataclass(frozen=True, eq=False)  # hashed by identity, as options have no hash
class Subject:
    """A part under test, with all of its options."""

    entry: Entry
    options: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.entry.kind} {self.entry.name}"

    def build(self, *arguments: Any, **overrides: Any) -> Any:
        """Build the part as a run does; overrides of options that it does not have are dropped."""
        known = {name: value for name, value in overrides.items() if name in self.entry.options}
        return self.entry.factory(*arguments, **{**self.options, **known})


def accepted_cases(
    what: str, make_case: Callable[..., Case], candidates: Iterable[tuple[Any, ...]]
) -> list[Case]:
    """Make a test case of every candidate (arguments of `make_case`) that a part does not refuse.

    Raises:
        AllRefusedError: if all are refused by PartError, ShapeError or DataError.
    """
    cases: list[Case] = []
    refusals: list[Problem] = []
    for candidate in candidates:
        try:
            cases.append(make_case(*candidate))
        except (PartError, ShapeError, DataError) as error:
            refusals.append(error.problems[0])
    reasons = "; ".join(dict.fromkeys(refusal.problem for refusal in refusals))
    if not cases:
        hint = refusals[0].hint or "refuse only what cannot work"
        raise AllRefusedError(f"it refuses every {what}: {reasons}", hint=hint)
    return cases


@contextmanager
def global_seed(seed: int) -> Iterator[None]:
    """Seed random, numpy and torch; restore their previous states afterwards."""
    states = random.getstate(), np.random.get_state(), torch.default_generator.get_state()
    try:
        random.seed(seed)
        np.random.seed(seed)
        torch.default_generator.manual_seed(seed)
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.default_generator.set_state(states[2])


@dataclass(frozen=True)
class Check:
    """One requirement of a contract: a function that raises an error for a case that violates it."""

    subject: Subject
    function: Callable[[Any], None]
    cases: Callable[[Subject], Iterable[object]] | None = None  # None: the subject is the only case

    @property
    def title(self) -> str:
        """Name of the check in words."""
        return self.function.__name__.replace("_", " ")

    def __str__(self) -> str:
        return f"{self.subject}: {self.title}"

    def __call__(self) -> None:
        """Run the check; global random states stay unchanged.

        Raises:
            ContractError: if the part violates the requirement or fails; names the line at fault.
        """
        with global_seed(0):
            try:
                cases = [self.subject] if self.cases is None else [*self.cases(self.subject)]
            except Exception as error:
                raise self._contract_error(error, in_every_check=True) from error
            for case in cases:
                try:
                    with error_context("" if case is self.subject else str(case)):
                        self.function(case)
                except Exception as error:
                    raise self._contract_error(error) from error

    def outcome(self) -> Outcome:
        """Run the check and return its outcome."""
        start = perf_counter()
        try:
            self()
        except ContractError as error:
            return Outcome(self, perf_counter() - start, error)
        return Outcome(self, perf_counter() - start)

    def _contract_error(self, error: Exception, *, in_every_check: bool = False) -> ContractError:
        defined = self.subject.entry.where
        where = errors.line_at_fault(error, defined)
        problem = Problem(f"it fails: {type(error).__name__}: {errors.first_line(error)}")
        cause = (where, type(error).__name__)  # its message may have other shapes in another check
        if isinstance(error, SegkitError) or where == defined:
            problem = error.problems[0] if isinstance(error, SegkitError) else problem
            cause = (problem.file or where, problem.problem)
        notes = filter(None, reversed(getattr(error, "__notes__", [])))
        failure = ContractError(
            ": ".join((*notes, problem.problem)), where=problem.file or where, hint=problem.hint
        )
        failure.cause, failure.in_every_check = cause, in_every_check
        return failure


@dataclass(frozen=True)
class Outcome:
    """Outcome and duration of a check; `error` is None if it passed."""

    check: Check
    seconds: float
    error: ContractError | None = None

    @property
    def passed(self) -> bool:
        """Whether the part meets the requirement."""
        return self.error is None

    @property
    def problem(self) -> Problem | None:
        """What is wrong; None if it passed."""
        return self.error.problems[0] if self.error else None

    def as_json(self) -> dict[str, Any]:
        """Plain data for `segkit test-plugin --json`."""
        problem = self.problem or Problem("")
        return {
            "part": str(self.check.subject),
            "check": self.check.title,
            "ok": self.passed,
            "problem": problem.problem,
            "where": problem.where,
            "hint": problem.hint,
            "seconds": self.seconds,
        }


def run_checks(checks: Iterable[Check]) -> Iterator[Outcome]:
    """Run checks; of a part for which no test case can be made, only until the first that needs a case."""
    blocked: set[Subject] = set()
    for check in checks:
        if check.subject not in blocked:
            outcome = check.outcome()
            if outcome.error and outcome.error.in_every_check:
                blocked.add(check.subject)
            yield outcome

"""Errors that a user can fix: the problem, where it is, what to try."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_MAX_PLACES = 3  # of equal problems, which may be those of hundreds of files
_MAX_GROUPS = 20


@dataclass(frozen=True)
class Problem:
    """A single problem.

    Args:
        problem: description in one sentence.
        file: recipe, image or weights file; empty if no file is at fault.
        line: line in that file, from 1; 0 if it does not apply.
        path: dotted path inside a recipe, such as ``model.decoder.dropout``.
        hint: what to try.
        kind: machine-readable category, such as "unpaired"; may be empty.
    """

    problem: str
    file: str = ""
    line: int = 0
    path: str = ""
    hint: str = ""
    kind: str = ""

    @property
    def where(self) -> str:
        """``file:line``, ``file``, or an empty string."""
        return f"{self.file}:{self.line}" if self.line else self.file

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        path = f"{self.path}: " if self.path else ""
        hint = f"\n  try: {self.hint}" if self.hint else ""
        return f"{place}{path}{self.problem}{hint}"


@dataclass(frozen=True)
class ProblemGroup:
    """Equal problems in several places.

    Args:
        shown: the first of them.
        more: words for the others, such as "... and 241 more files"; "" if there are none.
    """

    shown: Sequence[Problem]
    more: str = ""


def group_problems(problems: Sequence[Problem]) -> Iterator[ProblemGroup]:
    """Problems as they are shown: equal ones together, and of many the first."""
    groups: dict[tuple[str, str, str], list[Problem]] = {}
    for problem in problems:
        hint = "" if problem.kind == "size" else problem.hint  # that of a size names the image
        groups.setdefault((problem.problem, problem.path, hint), []).append(problem)
    for group in [*groups.values()][:_MAX_GROUPS]:
        rest = len(group) - _MAX_PLACES
        places = "lines" if group[0].line else "files"
        yield ProblemGroup(group[:_MAX_PLACES], f"... and {rest:,} more {places}" if rest > 0 else "")
    if rest := sum(map(len, [*groups.values()][_MAX_GROUPS:])):
        yield ProblemGroup((), f"... and {rest:,} more problems")


class SegkitError(Exception):
    """Base class of all errors that a user can understand and fix.

    Args:
        problem: description in one sentence.
        where: file or image at fault.
        hint: what to try.
        kind: machine-readable category.
    """

    exit_code = 2

    def __init__(self, problem: str, *, where: str = "", hint: str = "", kind: str = "") -> None:
        self.problems: tuple[Problem, ...] = (Problem(problem, file=where, hint=hint, kind=kind),)
        super().__init__(problem)

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> Self:
        """One error that reports several problems at once."""
        error = cls(problems[0].problem)
        error.problems = tuple(problems)
        return error

    def __str__(self) -> str:
        groups = group_problems(self.problems)
        return "\n".join(line for group in groups for line in (*map(str, group.shown), group.more) if line)


class RecipeError(SegkitError):
    """A recipe or a command-line override is invalid."""


class PartError(SegkitError):
    """A registered part violates the contract of its kind."""


class NameTakenError(PartError):
    """A part is registered under the name of another one."""

    part = ""  # kind and name, such as "loss dice"


class DataError(SegkitError):
    """A file of the data set is missing, unreadable or invalid."""


class WeightsError(SegkitError):
    """Pretrained weights are missing, damaged or do not fit the encoder."""


class ShapeError(SegkitError):
    """Encoder, decoder and image size do not fit together."""


class TrainingError(SegkitError):
    """A valid recipe failed while running."""

    exit_code = 1


class ExportError(SegkitError):
    """An exported model does not give the run's predictions."""

    exit_code = 1


class Interrupted(SegkitError):
    """The run was asked to stop; its state is saved."""

    exit_code = 130


def worded(command: str, python: str) -> str:
    """A text for users of the command line, or for those of the Python API.

    Processes that a command starts have its `sys.argv`.
    """
    program = Path(sys.argv[0] if sys.argv else "")
    is_command = program.name in ("segkit", "segkit.exe") or program.parts[-2:] == ("segkit", "__main__.py")
    return command if is_command else python


def line_at_fault(error: BaseException, defined: str) -> str:
    """The deepest traceback line in the code of a part.

    Args:
        error: exception as caught.
        defined: file:line or file of the part; for an `__init__.py` all files of its folder count.

    Returns:
        file:line; `defined` if the traceback does not pass through that code.
    """
    file = Path(defined.rpartition(":")[0] or defined)
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return f"{error.filename}:{error.lineno}"
    own = [
        f"{frame.filename}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename) == file
        or (file.name == "__init__.py" and Path(frame.filename).is_relative_to(file.parent))
    ]
    return own[-1] if own else defined


def first_line(error: BaseException) -> str:
    """First line of an exception's message, or its class name if the message is empty."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__

"""What segkit says when something is wrong: the problem, where it is, what to try."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Args:
        problem: what is wrong, as one sentence.
        file: the file (recipe, image, weights) it is in; empty where no file is to blame.
        line: its line in that file, counted from 1; 0 where lines mean nothing.
        path: the dotted path inside a recipe, such as ``model.decoder.dropout``.
        hint: what to try.
        kind: a word for programs, such as "unpaired"; empty where none asks for it.
    """

    problem: str
    file: str = ""
    line: int = 0
    path: str = ""
    hint: str = ""
    kind: str = ""

    @property
    def where(self) -> str:
        """``file:line``, ``file``, or nothing."""
        return f"{self.file}:{self.line}" if self.line else self.file

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        path = f"{self.path}: " if self.path else ""
        hint = f"\n  try: {self.hint}" if self.hint else ""
        return f"{place}{path}{self.problem}{hint}"


class SegkitError(Exception):
    """Something went wrong that the user can understand and mend.

    Args:
        problem: what is wrong, as one sentence.
        where: the file or image it is about.
        hint: what to try.
        kind: a word for programs.
    """

    exit_code = 2

    def __init__(self, problem: str, *, where: str = "", hint: str = "", kind: str = "") -> None:
        self.problems: tuple[Problem, ...] = (Problem(problem, file=where, hint=hint, kind=kind),)
        super().__init__(problem)

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> Self:
        """One error that carries several problems, so that all are seen at once."""
        error = cls(problems[0].problem)
        error.problems = tuple(problems)
        return error

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


class RecipeError(SegkitError):
    """A recipe, or what was set on the command line, is at fault."""


class PartError(SegkitError):
    """A registered part breaks the contract of its kind."""


class DataError(SegkitError):
    """A file of the data set is missing, unreadable or not what it should be."""


class WeightsError(SegkitError):
    """Pretrained weights are missing, damaged, or do not fit the encoder."""


class ShapeError(SegkitError):
    """Encoder, decoder and image size do not fit together."""


class TrainingError(SegkitError):
    """The run itself failed: the recipe was fine, the training was not."""

    exit_code = 1


class ExportError(SegkitError):
    """An exported file does not say what its run's model says; it is not kept."""

    exit_code = 1


class Interrupted(SegkitError):
    """Somebody asked the run to stop, and it has, with all that it had done saved."""

    exit_code = 130


def line_at_fault(error: BaseException, defined: str) -> str:
    """The deepest line of someone's own code that an exception came through.

    Args:
        error: as it was caught.
        defined: file:line, or file, of that code; with an `__init__.py`, all files of its folder are its own.

    Returns:
        file:line; `defined` if the exception came through none of it.
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
    """What an exception of a library says, which may go on for pages; its class where it says nothing."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__

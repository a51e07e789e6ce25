"""Printing of errors: problem, location, what to try."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from segkit.cli.console.stream import Screen
from segkit.core.errors import Interrupted

if TYPE_CHECKING:
    from segkit.core.errors import Problem, SegkitError


def print_error(error: SegkitError) -> None:
    """Print all problems of the error that ended a command, to standard error."""
    screen = Screen(sys.stderr)
    count = len(error.problems)
    if not screen.terminal or isinstance(error, Interrupted):
        if count > 1:
            screen.line(f"{count} problems:")
        print_problems(error)
        return
    screen.rule(f"{count} problems" if count > 1 else "1 problem", "red")
    for number, problem in enumerate(error.problems):
        if number:
            screen.line()
        print_problem(screen, problem)
    screen.rule(style="red")


def print_problems(error: SegkitError) -> None:
    """Print the problems of an error to standard error, without a frame."""
    screen = Screen(sys.stderr)
    for problem in error.problems:
        print_problem(screen, problem)


def print_problem(screen: Screen, problem: Problem) -> None:
    """Print one problem, styled on a terminal."""
    (_styled if screen.terminal else _plain)(screen, problem)


def _plain(screen: Screen, problem: Problem) -> None:
    # file:line: first, so that editors can open it
    places = "".join(f"{place}: " for place in (problem.where, problem.path) if place)
    screen.prose(f"{places}{problem.problem}", hang=4)
    if problem.hint:
        screen.prose(f"try: {problem.hint}", indent=2, hang=2)


def _styled(screen: Screen, problem: Problem) -> None:
    screen.prose(problem.problem, "bold")
    if problem.where:
        screen.line(f"  {problem.where}", "cyan")
    if problem.path:
        screen.line(f"  {problem.path}", "magenta")
    if problem.hint:
        screen.prose(f"try: {problem.hint}", "green", indent=2, hang=5)

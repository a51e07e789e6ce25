"""Printing of errors: problem, location, what to try."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from segkit.cli.console.stream import Screen
from segkit.core.errors import Interrupted, ProblemGroup, group_problems

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
    for number, group in enumerate(group_problems(error.problems)):
        if number:
            screen.line()
        _print_group(screen, group)
    screen.rule(style="red")


def print_problems(error: SegkitError) -> None:
    """Print the problems of an error to standard error, without a frame."""
    screen = Screen(sys.stderr)
    for group in group_problems(error.problems):
        _print_group(screen, group)


def print_problem(screen: Screen, problem: Problem) -> None:
    """Print one problem, styled on a terminal."""
    _print_group(screen, ProblemGroup([problem]))


def _print_group(screen: Screen, group: ProblemGroup) -> None:
    """Equal problems: each hint is printed once."""
    styled = screen.terminal
    for number, problem in enumerate(group.shown):
        if styled:
            _print_place(screen, problem, with_problem=not number)
        else:  # file:line: first, so that editors can open it
            places = "".join(f"{place}: " for place in (problem.where, problem.path) if place)
            screen.prose(f"{places}{problem.problem}", hang=4)
        is_last = number == len(group.shown) - 1
        if is_last and group.more:
            screen.line(f"  {group.more}")
        if problem.hint and (is_last or group.shown[number + 1].hint != problem.hint):
            style, hang = ("green", 5) if styled else ("", 2)
            screen.prose(f"try: {problem.hint}", style, indent=2, hang=hang)
    if not group.shown:
        screen.line(group.more)


def _print_place(screen: Screen, problem: Problem, *, with_problem: bool) -> None:
    if with_problem:
        screen.prose(problem.problem, "bold")
    if problem.where:
        screen.line(f"  {problem.where}", "cyan")
    if problem.path and with_problem:
        screen.line(f"  {problem.path}", "magenta")

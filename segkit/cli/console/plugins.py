"""What is told of plugins: which were loaded, which were written, and which keep their contract."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from segkit.cli.console.problems import print_problem
from segkit.cli.console.stream import Screen, clean

if TYPE_CHECKING:
    from segkit.core.errors import SegkitError
    from segkit.core.plugins import Plugin
    from segkit.testing import Outcome


def say_plugins(plugins: Sequence[Plugin]) -> None:
    """Say on standard error, in one line, what was loaded from where; nothing if nothing was."""
    groups = [
        f"{', '.join(plugin.name for plugin in together)} from {place}"
        for place, together in groupby(plugins, key=_place)
    ]
    if groups:
        Screen(sys.stderr).line(f"plugins: {'; '.join(groups)}", "dim")


def warn(error: SegkitError) -> None:
    """Tell on standard error of something that is wrong and does not keep the verb from its work."""
    screen = Screen(sys.stderr)
    for problem in error.problems:
        print_problem(screen, problem)


def say_new_plugin(files: Sequence[Path]) -> None:
    """Say what was written, and what to type next."""
    folder = files[0]
    screen = Screen(sys.stdout)
    screen.line(f"{folder} is a plugin that runs. Its files:", "bold")
    for file in files[1:]:
        screen.line(f"  {file.name}")
    screen.line()
    for words in (f"segkit run {folder / 'recipe.yaml'}", f"segkit test-plugin {folder}"):
        screen.line(f"  {words}", "cyan")


def print_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Print which parts keep which points of their contract, then what is wrong with the others."""
    screen = Screen(sys.stdout)
    for part, together in groupby(outcomes, key=lambda outcome: str(outcome.check.subject)):
        screen.line(part, "bold")
        table = Table.grid(padding=(0, 2, 0, 0))
        for outcome in together:
            verdict = ("ok", "green") if outcome.passed else ("FAILED", "bold red")
            table.add_row(f"  {verdict[0]}", clean(outcome.check.title), style=verdict[1])
        screen.table(table)
        screen.line()
    alike = _alike(outcomes)
    for first, *others in alike:
        more = f", and {len(others)} more" if others else ""
        screen.line(f"{first.check}{more}", "bold red")
        assert first.problem is not None
        print_problem(screen, first.problem)
        screen.line()
    passed = sum(outcome.passed for outcome in outcomes)
    screen.line(f"{passed} of {len(outcomes)} checks passed", "bold red" if alike else "bold green")


def _alike(outcomes: Sequence[Outcome]) -> list[list[Outcome]]:
    """The checks that failed; together those that one problem of a part fails, at one place."""
    found: dict[tuple[str, str, str], list[Outcome]] = {}
    for outcome in outcomes:
        if problem := outcome.problem:
            key = (str(outcome.check.subject), problem.problem, problem.where)
            found.setdefault(key, []).append(outcome)
    return list(found.values())


def _place(plugin: Plugin) -> str:
    """The package, or the folder that the plugin lies in."""
    if plugin.package:
        return f"{plugin.package} (installed)"
    try:
        place = Path(os.path.relpath(plugin.path.parent))
    except ValueError:  # another drive
        place = plugin.path.parent
    return str(plugin.path.parent if place.parts[:2] == ("..", "..") else place)

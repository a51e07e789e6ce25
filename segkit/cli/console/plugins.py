"""Results of plugin commands: plugins loaded, created and tested."""

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
from segkit.core.paths import quoted

if TYPE_CHECKING:
    from segkit.core.plugins import Plugin
    from segkit.testing import Outcome


def print_plugins() -> None:
    """Print the loaded plugins and their folders to standard error, in one line."""
    from segkit.core.plugins import loaded_plugins  # imports pydantic

    groups = [
        f"{', '.join(plugin.name for plugin in group)} from {origin}"
        for origin, group in groupby(loaded_plugins(), key=_origin)
    ]
    if groups:
        Screen(sys.stderr).line(f"plugins: {'; '.join(groups)}", "dim")


def print_new_plugin(files: Sequence[Path]) -> None:
    """Print the files of a new plugin (its folder first) and the next commands."""
    folder = files[0]
    screen = Screen(sys.stdout)
    screen.line(f"Created the plugin {folder}:", "bold")
    for file in files[1:]:
        screen.line(f"  {file.name}")
    screen.line()
    for command in (f"segkit run {quoted(folder / 'recipe.yaml')}", f"segkit test-plugin {quoted(folder)}"):
        screen.line(f"  {command}", "cyan")


def print_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Print a line for each check, then the problems of failed checks."""
    screen = Screen(sys.stdout)
    for part, group in groupby(outcomes, key=lambda outcome: str(outcome.check.subject)):
        screen.line(part, "bold")
        table = Table.grid(padding=(0, 2, 0, 0))
        for outcome in group:
            status, style = ("ok", "green") if outcome.passed else ("FAILED", "bold red")
            table.add_row(f"  {status}", clean(outcome.check.title), style=style)
        screen.table(table)
        screen.line()
    failures = _group_failures(outcomes)
    for first, *others in failures:
        more = f", and {len(others)} more" if others else ""
        screen.line(f"{first.check}{more}", "bold red")
        assert first.problem is not None
        print_problem(screen, first.problem)
        screen.line()
    passed = sum(outcome.passed for outcome in outcomes)
    screen.line(f"{passed} of {len(outcomes)} checks passed", "bold red" if failures else "bold green")


def _group_failures(outcomes: Sequence[Outcome]) -> list[list[Outcome]]:
    """Failed checks, grouped by part, problem and location."""
    groups: dict[tuple[str, str, str], list[Outcome]] = {}
    for outcome in outcomes:
        if problem := outcome.problem:
            key = (str(outcome.check.subject), problem.problem, problem.where)
            groups.setdefault(key, []).append(outcome)
    return list(groups.values())


def _origin(plugin: Plugin) -> str:
    """Package or folder of a plugin."""
    if plugin.package:
        return f"{plugin.package} (installed)"
    try:
        relative = Path(os.path.relpath(plugin.path.parent))
    except ValueError:  # on another drive
        return str(plugin.path.parent)
    return str(plugin.path.parent if relative.parts[:2] == ("..", "..") else relative)

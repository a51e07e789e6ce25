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

if TYPE_CHECKING:
    from segkit.core.plugins import Plugin
    from segkit.testing import Outcome


def print_plugins(plugins: Sequence[Plugin]) -> None:
    """Print plugins and their folders to standard error, in one line."""
    groups = [
        f"{', '.join(map(_name, group))} from {origin}" for origin, group in groupby(plugins, key=_origin)
    ]
    Screen(sys.stderr).line(f"plugins: {'; '.join(groups)}", "dim")


def print_new_plugin(files: Sequence[Path]) -> None:
    """Print the files of a new plugin (its folder first) and the next commands."""
    from segkit.core.paths import quoted  # imports pydantic

    folder = files[0]
    screen = Screen(sys.stdout)
    screen.line(f"Created the plugin {folder}:", "bold")
    for file in files[1:]:
        screen.line(f"  {file.name}")
    screen.line()
    for command in (f"segkit run {quoted(folder / 'recipe.yaml')}", f"segkit test-plugin {quoted(folder)}"):
        screen.line(f"  {command}", "cyan")


def print_outcomes(outcomes: Sequence[Outcome], not_run: int) -> None:
    """Print a line for each passed check and for each cause of failures, then the causes.

    Args:
        outcomes: outcomes of all checks that were run.
        not_run: number of checks that were not, as another one of the part failed.
    """
    screen = Screen(sys.stdout)
    causes = _causes(outcomes)
    for part, group in groupby(outcomes, key=lambda outcome: str(outcome.check.subject)):
        screen.line(part, "bold")
        table = Table.grid(padding=(0, 2, 0, 0))
        for outcome in group:
            if outcome.passed:
                table.add_row("  ok", clean(outcome.check.title), style="green")
        for first, *others in causes:
            if str(first.check.subject) == part:
                table.add_row("  FAILED", clean(f"{first.check.title}{_more(others)}"), style="bold red")
            elif any(str(outcome.check.subject) == part for outcome in others):
                table.add_row("  -", clean(f"fails like {first.check}"))
        screen.table(table)
        screen.line()
    for first, *others in causes:
        screen.line(f"{first.check}{_more(others)}", "bold red")
        assert first.problem is not None
        print_problem(screen, first.problem)
        screen.line()
    passed = sum(outcome.passed for outcome in outcomes)
    rest = f", {not_run} not run" if not_run else ""
    screen.line(f"{passed} of {len(outcomes)} checks passed{rest}", "bold red" if causes else "bold green")


def _causes(outcomes: Sequence[Outcome]) -> list[list[Outcome]]:
    """Failed checks, grouped by their cause."""
    causes: dict[tuple[str, ...], list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.error:
            causes.setdefault(outcome.error.cause, []).append(outcome)
    return list(causes.values())


def _more(others: Sequence[Outcome]) -> str:
    return f", and {len(others)} more" if others else ""


def _name(plugin: Plugin) -> str:
    return plugin.name if plugin.parts else f"{plugin.name} (registers nothing)"


def _origin(plugin: Plugin) -> str:
    """Package or folder of a plugin."""
    if plugin.package:
        return f"{plugin.package} (installed)"
    try:
        relative = Path(os.path.relpath(plugin.path.parent))
    except ValueError:  # on another drive
        return str(plugin.path.parent)
    return str(plugin.path.parent if relative.parts[:2] == ("..", "..") else relative)

"""Console output of the data set check."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from segkit.cli.console.class_table import print_classes
from segkit.cli.console.format import images_in_words
from segkit.cli.console.stream import Screen

if TYPE_CHECKING:
    from segkit.analysis.dataset import CheckResult, Finding

_MAX_FINDINGS = 5  # of one kind
_MAX_FILES = 4  # of one finding
_STYLES = {"error": "bold red", "warning": "yellow"}


def print_data_check(result: CheckResult) -> None:
    """Print the data set, a table of the problems, and the files and hints of each kind."""
    screen = Screen(sys.stdout)
    screen.prose(result.dataset.about, "bold", hang=2)
    root = _common_folder(result.findings)
    facts = {"images": images_in_words(result.images) or "none"}
    facts |= {"groups": images_in_words(result.groups)} if result.groups else {}
    facts |= {"pixels": str(result.pixels)} if result.pixels else {}
    screen.facts({**facts, "files below": root} if root else facts)
    screen.line()
    if result.classes and any(result.classes.known):
        print_classes(screen, result.classes)
    if result.colors and not result.recipe:
        screen.line("Colours of the classes, as in the masks, for predictions and reports:")
        colors = ", ".join(f"{json.dumps(name)}: '{color}'" for name, color in result.colors.items())
        screen.prose(f"data.colors: {{{colors}}}", indent=2, hang=2)
        screen.line()
    groups = groupby(result.findings, key=lambda finding: (finding.severity, finding.kind))
    kinds = [[*group] for _, group in groups]
    if kinds:
        _print_table(screen, kinds)
    for findings in kinds:
        _print_kind(screen, findings, root)
    if result.recipe:
        screen.line("To train on it, put these lines into a recipe:", "bold")
        for line in ("", *result.recipe.splitlines(), ""):
            screen.line(line)
    if result.ok:
        screen.line("ok, with warnings" if result.findings else "ok", "bold green")
    else:
        screen.line("not ok: a run would be refused, or its scores would be wrong", "bold red")


def _print_table(screen: Screen, kinds: Sequence[Sequence[Finding]]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("fault", "severity"):
        table.add_column(title, no_wrap=True)
    for title in ("found", "files"):
        table.add_column(title, justify="right", no_wrap=True)
    for findings in kinds:
        severity = Text(findings[0].severity, _STYLES[findings[0].severity])
        files = len({file for finding in findings for file in finding.files})
        table.add_row(findings[0].kind, severity, f"{len(findings):,}", f"{files:,}")
    screen.table(table)
    screen.line()


def _print_kind(screen: Screen, findings: Sequence[Finding], root: str) -> None:
    first, findings = findings[0], _equal_together(findings)
    screen.line(f"{first.severity}: {first.kind}", _STYLES[first.severity])
    shown = findings[:_MAX_FINDINGS]
    previous = ""
    for finding, following in zip(shown, [*shown[1:], None], strict=True):
        if finding.message != previous or len(finding.files) > 1:
            screen.prose(finding.message, indent=2, hang=2)
        previous = finding.message
        for file in finding.files[:_MAX_FILES]:
            name = os.path.relpath(file, root) if root else file
            screen.line("    " + name.replace("\n", "\\n"), "cyan")  # a file name may contain a newline
        if (rest := len(finding.files) - _MAX_FILES) > 0:
            screen.line(f"    and {rest:,} more files")
        if finding.hint and (following is None or following.hint != finding.hint):
            screen.prose(f"try: {finding.hint}", "green", indent=2, hang=5)
    if (rest := len(findings) - len(shown)) > 0:
        screen.line(f"  and {rest:,} more of this kind: --json prints all of them")
    screen.line()


def _equal_together(findings: Sequence[Finding]) -> list[Finding]:
    """Findings of one file that say the same as one of several files; pairs and groups stay apart."""
    merged: dict[object, Finding] = {}
    for finding in findings:
        key = (finding.message, finding.hint) if len(finding.files) == 1 else id(finding)
        known = merged.setdefault(key, finding)
        merged[key] = replace(known, files=(*known.files, *finding.files)) if known is not finding else known
    return [*merged.values()]


def _common_folder(findings: Sequence[Finding]) -> str:
    files = {file for finding in findings for file in finding.files}
    if not files or not all(map(os.path.isabs, files)):  # names of samples
        return ""
    common = os.path.commonpath([os.path.dirname(file) for file in files])
    return common if len(Path(common).parts) > 2 else ""

"""Findings of `segkit doctor`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from segkit.cli.console.stream import Screen, clean

if TYPE_CHECKING:
    from segkit.utils.installation import Finding

_STYLES = {"ok": "green", "missing": "yellow", "fault": "bold red"}


def print_findings(findings: Sequence[Finding]) -> None:
    """Print a line for each finding, and its hint below it."""
    screen = Screen(sys.stdout)
    table = Table.grid(padding=(0, 2, 0, 0))
    for finding in findings:
        status = Text(finding.status, _STYLES[finding.status])
        table.add_row(status, Text(clean(finding.name)), Text(clean(finding.text)))
        if finding.hint:
            table.add_row("", "", Text(clean(f"try: {finding.hint}"), "cyan"))
    screen.table(table)
    screen.line()
    faults = sum(finding.status == "fault" for finding in findings)
    if faults:
        screen.line(f"{faults} {'fault' if faults == 1 else 'faults'} found", "bold red")
    else:
        screen.line("no fault found", "bold green")

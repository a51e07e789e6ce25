"""What was found in a data set: how much of each kind, then the faults themselves."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from segkit.cli.console.format import images_in_words
from segkit.cli.console.stream import Screen

if TYPE_CHECKING:
    from segkit.analysis.dataset import Examination, Finding

_MAX_FAULTS = 5  # of a kind; a terminal is no list of files
_MAX_FILES = 4  # of a fault
_STYLES = {"error": "bold red", "warning": "yellow"}


def print_examination(found: Examination) -> None:
    """Print what a data set is taken for, a table of its faults, and each kind with files and what to try."""
    screen = Screen(sys.stdout)
    screen.prose(found.subject.about, "bold", hang=2)
    root = _common_folder(found.faults)
    facts = {"images": images_in_words(found.images) or "none"}
    screen.facts({**facts, "files below": root} if root else facts)
    screen.line()
    kinds = [[*some] for _, some in groupby(found.faults, key=lambda fault: (fault.severity, fault.kind))]
    if kinds:
        _print_table(screen, kinds)
    for faults in kinds:
        _print_kind(screen, faults, root)
    if found.ok:
        screen.line("ok, with warnings" if found.faults else "ok", "bold green")
    else:
        screen.line("not ok: a run would be refused, or its scores would be wrong", "bold red")


def _print_table(screen: Screen, kinds: Sequence[Sequence[Finding]]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("fault", "severity"):
        table.add_column(title, no_wrap=True)
    for title in ("found", "files"):
        table.add_column(title, justify="right", no_wrap=True)
    for faults in kinds:
        severity = Text(faults[0].severity, _STYLES[faults[0].severity])
        files = len({file for fault in faults for file in fault.files})
        table.add_row(faults[0].kind, severity, f"{len(faults):,}", f"{files:,}")
    screen.table(table)
    screen.line()


def _print_kind(screen: Screen, faults: Sequence[Finding], root: str) -> None:
    first = faults[0]
    screen.line(f"{first.severity}: {first.kind}", _STYLES[first.severity])
    shown = faults[:_MAX_FAULTS]
    before = ""
    for fault, following in zip(shown, [*shown[1:], None], strict=True):
        if fault.message != before or len(fault.files) > 1:
            screen.prose(fault.message, indent=2, hang=2)
        before = fault.message
        for file in fault.files[:_MAX_FILES]:
            name = _below(file, root).replace("\n", "\\n")  # which a name may hold, and a line may not
            screen.line(f"    {name}", "cyan")
        if (rest := len(fault.files) - _MAX_FILES) > 0:
            screen.line(f"    and {rest:,} more files")
        if fault.hint and (following is None or following.hint != fault.hint):
            screen.prose(f"try: {fault.hint}", "green", indent=2, hang=5)
    if (rest := len(faults) - len(shown)) > 0:
        screen.line(f"  and {rest:,} more of this kind: --json has all of them")
    screen.line()


def _common_folder(faults: Sequence[Finding]) -> str:
    """The folder that all files are below; "" where they have none in common, or are no files."""
    files = {file for fault in faults for file in fault.files}
    if not files or not all(map(os.path.isabs, files)):
        return ""
    common = os.path.commonpath([os.path.dirname(file) for file in files])
    return common if len(Path(common).parts) > 2 else ""


def _below(file: str, root: str) -> str:
    return os.path.relpath(file, root) if root else file

"""Base class of progress views."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from segkit.cli.console.format import print_warnings
from segkit.cli.console.live_line import LiveLine
from segkit.cli.console.stream import Screen


class View:
    """Context manager that prints messages to standard error and clears the status line at the end.

    Args:
        quiet: print nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._screen = Screen(sys.stderr)
        self._line = LiveLine(self._screen)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.clear()
        if kind is KeyboardInterrupt and not self._quiet:
            self._screen.line(f"interrupted{self._resume_hint()}")

    def note(self, text: str) -> None:
        """Show the current activity until the next output."""
        if self._quiet:
            return
        if self._screen.terminal:
            self._line.note(text)
        else:
            self._screen.line(text)

    def print_warnings(self, warnings: Sequence[str]) -> None:
        """Print warnings."""
        if not self._quiet and warnings:
            self._line.clear()
            print_warnings(self._screen, warnings)

    def say(self, text: str) -> None:
        """Print a line."""
        if not self._quiet:
            self.warn(text)

    def warn(self, text: str) -> None:
        """Print a line even if quiet."""
        self._line.clear()
        self._screen.line(text)

    def _resume_hint(self) -> str:
        return ""

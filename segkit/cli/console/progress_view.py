"""What goes on, told to a person on standard error: what all tellings of it share."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from segkit.cli.console.format import print_warnings
from segkit.cli.console.live_line import LiveLine
from segkit.cli.console.stream import Screen


class View:
    """Notes, and the line at the bottom of a terminal; it is taken away in the end, however that comes.

    Args:
        quiet: show nothing at all.
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
            self._screen.line(f"interrupted{self._kept()}")

    def note(self, text: str) -> None:
        """Say what is being done, until the next thing."""
        if self._quiet:
            return
        if self._screen.terminal:
            self._line.note(text)
        else:
            self._screen.line(text)

    def caution(self, sentences: Sequence[str]) -> None:
        """Say what the user should not miss."""
        if not self._quiet and sentences:
            self._line.clear()
            print_warnings(self._screen, sentences)

    def say(self, text: str) -> None:
        """Say something that stays."""
        if not self._quiet:
            self.warn(text)

    def warn(self, text: str) -> None:
        """Say what has gone wrong, even to who wants to hear of nothing else."""
        self._line.clear()
        self._screen.line(text)

    def _kept(self) -> str:
        """What an interruption leaves behind, as the rest of a sentence."""
        return ""

"""The line at the bottom of a terminal that says what is going on just now."""

from __future__ import annotations

import time

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from segkit.cli.console.stream import Screen, clean

_SECONDS_BETWEEN = 0.1
_LONGEST_BAR = 40


class LiveLine:
    """A line that the next thing replaces.

    It is drawn when there is news and by no thread, which a worker process could inherit in mid-stroke.

    Args:
        screen: a terminal.
    """

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._live: Live | None = None
        self._drawn = 0.0
        self._label = ""

    def note(self, text: str) -> None:
        """Show some words."""
        self._draw(Text(f"{clean(text)} ...", "dim"), text)

    def bar(self, label: str, done: int, total: int, details: str = "") -> None:
        """Show how much is done of how much; a total of 0 is an unknown one."""
        if label == self._label and done < total and time.monotonic() - self._drawn < _SECONDS_BETWEEN:
            return
        amount = f"{done:,}/{total:,}" if total else f"{done:,}"
        self._draw(self._bar(clean(label), done, total, f"{amount}  {details}".rstrip()), label)

    def clear(self) -> None:
        """Take the line away."""
        if self._live:
            self._live.stop()
        self._live = None
        self._label = ""

    def _draw(self, renderable: RenderableType, label: str) -> None:
        if self._live is None:
            self._live = Live(
                console=self._screen.console,
                auto_refresh=False,
                transient=True,
                # What others print to standard error goes above the line; standard output may be a pipe.
                redirect_stdout=False,
            )
            self._live.start()
        self._live.update(renderable, refresh=True)
        self._drawn, self._label = time.monotonic(), label

    def _bar(self, label: str, done: int, total: int, details: str) -> RenderableType:
        row = Table.grid(padding=(0, 2, 0, 0))
        cells: list[RenderableType] = [Text(details, overflow="fold")]
        room = self._screen.console.width - len(details) - 4
        beside = room - len(label) - 2 >= 8
        if total and room >= 8:
            length = min(_LONGEST_BAR, room - len(label) - 2 if beside else room)
            cells.insert(0, ProgressBar(total=total, completed=done, width=length))
        if beside:
            cells.insert(0, Text(label, "bold"))
        row.add_row(*cells)
        return row if beside else Group(Text(label, "bold", overflow="fold"), row)

"""Status line at the bottom of a terminal."""

from __future__ import annotations

import time

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from segkit.cli.console.stream import Screen, clean

_UPDATE_SECONDS = 0.1
_MAX_BAR_WIDTH = 40


class LiveLine:
    """A line that is overwritten by the next update.

    It is drawn without a refresh thread, because a forked worker could inherit its locks.

    Args:
        screen: terminal to draw on.
    """

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._live: Live | None = None
        self._drawn = 0.0
        self._label = ""

    def note(self, text: str) -> None:
        """Show a text."""
        self._draw(Text(f"{clean(text)} ...", "dim"), text)

    def bar(self, label: str, done: int, total: int, details: str = "") -> None:
        """Show a progress bar; a total of 0 means unknown."""
        if label == self._label and done < total and time.monotonic() - self._drawn < _UPDATE_SECONDS:
            return
        amount = f"{done:,}/{total:,}" if total else f"{done:,}"
        self._draw(self._bar(clean(label), done, total, f"{amount}  {details}".rstrip()), label)

    def clear(self) -> None:
        """Remove the line."""
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
                # Other output to standard error is printed above the line; standard output may be a pipe.
                redirect_stdout=False,
            )
            self._live.start()
        self._live.update(renderable, refresh=True)
        self._drawn, self._label = time.monotonic(), label

    def _bar(self, label: str, done: int, total: int, details: str) -> RenderableType:
        row = Table.grid(padding=(0, 2, 0, 0))
        cells: list[RenderableType] = [Text(details, overflow="fold")]
        available = self._screen.console.width - len(details) - 4
        fits_on_one_line = available - len(label) - 2 >= 8
        if total and available >= 8:
            length = min(_MAX_BAR_WIDTH, available - len(label) - 2 if fits_on_one_line else available)
            cells.insert(0, ProgressBar(total=total, completed=done, width=length))
        if fits_on_one_line:
            cells.insert(0, Text(label, "bold"))
        row.add_row(*cells)
        return row if fits_on_one_line else Group(Text(label, "bold", overflow="fold"), row)

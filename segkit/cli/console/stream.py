"""Output stream: styled and wrapped on a terminal, plain lines otherwise."""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from segkit.utils.os_errors import is_broken_pipe

if TYPE_CHECKING:
    from rich.console import RenderableType

_MAX_WIDTH = 100  # columns; longer lines are hard to read
_UNBOUNDED = 100_000  # columns of a pipe, which is never wrapped
# Control characters, surrogates, bidirectional marks (U+202E shows "gpj.exe" as "exe.jpg"), line separators.
_CONTROL = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


class Screen:
    """Printer to a standard stream, with styles and wrapping on a terminal only.

    Args:
        stream: standard output or standard error.
    """

    def __init__(self, stream: TextIO) -> None:
        self.terminal = stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
        self.console = Console(
            file=stream,
            force_terminal=self.terminal,  # explicit: FORCE_COLOR would enable bars in a pipe
            force_jupyter=False,
            width=None if self.terminal else _UNBOUNDED,
            markup=False,
            emoji=False,
            highlight=False,
        )
        self._stream = stream

    @property
    def width(self) -> int:
        """Maximum line width in columns."""
        return min(self.console.width, _MAX_WIDTH) if self.terminal else _UNBOUNDED

    def line(self, text: str | Text = "", style: str = "") -> None:
        """Print one line, neither wrapped nor truncated, so that paths can be copied."""
        self._print(text if isinstance(text, Text) else Text(clean(text), style), soft_wrap=True)

    def prose(self, text: str, style: str = "", *, indent: int = 0, hang: int = 0) -> None:
        """Print text wrapped between words; lines after the first are indented by `hang` more."""
        first, later = " " * indent, " " * (indent + hang)
        for number, paragraph in enumerate(clean(text).split("\n")):
            wrapped = textwrap.wrap(
                paragraph,
                self.width,
                initial_indent=later if number else first,
                subsequent_indent=later,
                break_long_words=False,
                break_on_hyphens=False,
            )
            for line in wrapped or [""]:
                self.line(line, style)

    def facts(self, facts: Mapping[str, str]) -> None:
        """Print names and values, one pair per line."""
        facts = {clean(name): value for name, value in facts.items()}
        widest = max(map(len, facts), default=0)
        for name, value in facts.items():
            if self.terminal:
                self.line(Text.assemble((f"  {name:<{widest}}  ", "dim"), clean(value)))
            else:
                self.line(f"{name}: {value}")

    def table(self, table: RenderableType) -> None:
        """Print a table; cells are wrapped on a terminal only."""
        self._print(table, width=self.width)

    def rule(self, title: str = "", style: str = "") -> None:
        """Print a horizontal rule, on a terminal only."""
        if self.terminal:
            text = Text(clean(title), f"bold {style}".strip())
            # rich itself does so only where there is a title.
            line = "\N{BOX DRAWINGS LIGHT HORIZONTAL}" if self.console.encoding.startswith("utf") else "-"
            rule = Rule(text, characters=line, align="left", style=style or "rule.line")
            self._print(rule, width=self.width)

    def _print(
        self, renderable: RenderableType, *, soft_wrap: bool = False, width: int | None = None
    ) -> None:
        with self.console.capture() as captured:
            self.console.print(renderable, soft_wrap=soft_wrap, width=width)
        write(self._stream, re.sub(" +$", "", captured.get(), flags=re.MULTILINE))


def write(stream: TextIO, text: str) -> None:
    """Write text in the stream's encoding; characters that it lacks are escaped.

    If the reader has closed the pipe (`segkit list encoders | head`), output is discarded.
    """
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except OSError as error:
        if not is_broken_pipe(error):
            raise
        with open(os.devnull, "wb") as devnull:
            os.dup2(devnull.fileno(), stream.fileno())


def clean(text: str) -> str:
    """Escape control characters, so that file names cannot control the terminal."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)

"""One standard stream: a terminal with colour and a width, or plain lines without either."""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

_READABLE = 100  # columns; longer lines and rules are hard on the eye
_UNBOUNDED = 100_000  # columns of a pipe: nothing is ever wrapped for it
# Control characters, halves of characters, and what reorders or breaks a line: U+202E would show "gpj.exe".
_CONTROL = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


class Screen:
    """Prints to a standard stream as suits what is at its other end.

    Args:
        stream: standard output or standard error.
    """

    def __init__(self, stream: TextIO) -> None:
        self.terminal = stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
        self.console = Console(
            file=stream,
            # Said outright, so that FORCE_COLOR puts no bars into a pipe.
            force_terminal=self.terminal,
            force_jupyter=False,
            width=None if self.terminal else _UNBOUNDED,
            markup=False,
            emoji=False,
            highlight=False,
        )
        self._stream = stream

    @property
    def width(self) -> int:
        """Columns that text should keep to."""
        return min(self.console.width, _READABLE) if self.terminal else _UNBOUNDED

    def line(self, text: str | Text = "", style: str = "") -> None:
        """One line that is neither wrapped nor cut: a terminal folds it, and copies it, as one."""
        self._print(text if isinstance(text, Text) else Text(clean(text), style), soft_wrap=True)

    def prose(self, text: str, style: str = "", *, indent: int = 0, hang: int = 0) -> None:
        """Sentences, wrapped between words only; later lines are indented by `hang` more."""
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
        """Names and values, one to a line."""
        facts = {clean(name): value for name, value in facts.items()}
        widest = max(map(len, facts), default=0)
        for name, value in facts.items():
            if self.terminal:
                self.line(Text.assemble((f"  {name:<{widest}}  ", "dim"), clean(value)))
            else:
                self.line(f"{name}: {value}")

    def table(self, table: RenderableType) -> None:
        """A table; cells are wrapped on a terminal only."""
        self._print(table, width=self.width)

    def rule(self, title: str = "", style: str = "") -> None:
        """A line across, which a pipe is spared."""
        if self.terminal:
            text = Text(clean(title), f"bold {style}".strip())
            self._print(Rule(text, align="left", style=style or "rule.line"), width=self.width)

    def _print(
        self, renderable: RenderableType, *, soft_wrap: bool = False, width: int | None = None
    ) -> None:
        with self.console.capture() as captured:
            self.console.print(renderable, soft_wrap=soft_wrap, width=width)
        write(self._stream, re.sub(" +$", "", captured.get(), flags=re.MULTILINE))


def write(stream: TextIO, text: str) -> None:
    """Write plain text in the stream's encoding; what that lacks is escaped.

    Who reads the stream may stop doing so (`segkit list encoders | head`, a log that ends): that is no reason
    to fail, nor to end a run.
    """
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())


def clean(text: str) -> str:
    """Text with its control characters escaped: a file name must not steer the terminal."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)

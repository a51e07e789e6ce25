"""Output on consoles and pipes whose encoding lacks characters: Windows' code pages, and ASCII."""

from __future__ import annotations

import io
import re
import sys

import pytest

from segkit import cli
from segkit.cli.console.live_line import LiveLine
from segkit.cli.console.stream import Screen

ENCODINGS = ("cp437", "cp1252", "ascii")
MISSING = "→日.yaml"


class Terminal(io.TextIOWrapper):
    """A terminal with an encoding."""

    def __init__(self, encoding: str, errors: str = "strict") -> None:
        super().__init__(io.BytesIO(), encoding, errors, newline="")

    def isatty(self) -> bool:
        return True

    @property
    def shown(self) -> str:
        self.flush()
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode(self.encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--help"], 0, "Train, evaluate, compare"),
        (["list", "losses"], 0, "lovasz"),
        (["show", "loss", "lovasz"], 0, "loss lovasz"),
        (["check", f"é{MISSING}"], 2, "\\u2192\\u65e5.yaml\x1b"),
    ],
)
def test_commands_print_what_the_encoding_has(
    words: list[str], code: int, said: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Terminal(encoding)
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, out)
    monkeypatch.setattr(sys, "argv", ["segkit", *words])
    try:
        cli.main()
        ended = 0
    except SystemExit as error:
        ended = error.code if isinstance(error.code, int) else 0
    assert ended == code
    assert said in out.shown
    assert "\\u25" not in out.shown, "a frame is escaped"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_rules_and_bars_are_drawn_with_what_the_encoding_has(encoding: str) -> None:
    out = Terminal(encoding, "backslashreplace")  # as standard error has it
    screen = Screen(out)
    screen.rule("best epoch")
    screen.line(MISSING)
    line = LiveLine(screen)
    line.bar("training", 3, 10, "of images")
    line.note(MISSING)
    line.clear()
    rule, name, *_ = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", out.shown).splitlines()
    assert rule.startswith("best epoch -----")
    assert name == "\\u2192\\u65e5.yaml"
    assert out.shown.count("\\u2192\\u65e5.yaml") >= 2
    assert out.shown.count("\\u") == 2 * out.shown.count(".yaml"), "nothing but the name is escaped"

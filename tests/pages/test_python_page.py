"""docs/python.md, executed: one interpreter, one folder, from its first block to its last."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

from tests.pages.test_tutorials import ROOT, blocks_of

pytestmark = pytest.mark.slow

PAGE = ROOT / "docs" / "python.md"


def told(text: str) -> str:
    """What does not depend on the machine: scores have other digits on another one."""
    return re.sub(r"\d\.\d+", "#", text).strip()


def test_the_page_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    blocks = blocks_of(PAGE)
    for block, after in zip(blocks, [*blocks[1:], blocks[-1]], strict=True):
        if block.file:
            Path(block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                exec(compile(block.text, PAGE.name, "exec"), names)
            if after.language == "text":
                assert told(said.getvalue()) == told(after.text), block.text


def test_every_block_is_executed_or_is_what_one_says() -> None:
    assert {block.language for block in blocks_of(PAGE)} == {"yaml", "python", "text"}

"""Pages that lead from an empty folder to something are followed word by word, in such a folder.

A block that is named (```python plugins/tiny.py) is a file to write. The lines of a block ```text are said by
a command of the block ```bash before it; where they hold a "try:" the last command is a mistake that the page
shows.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.commands import Said, segkit

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guide.md"
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """One fenced block of a page."""

    language: str
    file: str
    text: str


def blocks_of(page: Path) -> list[Block]:
    return [Block(*found) for found in BLOCK.findall(page.read_text(encoding="utf-8"))]


def is_tutorial(page: Path) -> bool:
    return any(block.file for block in blocks_of(page))


# The guide and docs/python.md have tests of their own.
TUTORIALS = [
    page
    for page in sorted((ROOT / "docs").glob("*.md"))
    if is_tutorial(page) and page not in (GUIDE, ROOT / "docs" / "python.md")
]


def with_little_to_train(line: str) -> list[str]:
    """A command's words; how well a recipe trains is told by the page, and is no test."""
    words = shlex.split(line)
    if words[:2] == ["segkit", "run"] and "--set" in words:
        return ["segkit", "data", "check", *words[2:]]  # that there are such keys
    if words[:3] == ["segkit", "compare", "lesions/recipe.yaml"]:
        return ["segkit", "check", words[2]]  # README's commands compare, too
    if words[:2] in (["segkit", "run"], ["segkit", "compare"]):
        words += ["--set", "training.epochs=1", "--set", "data.size=[64, 64]"]
    if words[1] == "compare":
        words.append("--no-measure")
    return words


def typed(words: list[str], folder: Path) -> Said:
    home = str(folder / "home")
    if words[0] == "segkit":
        return segkit(words[1:], folder, home)
    assert words[0] == "python", words
    environment = {**os.environ, "SEGKIT_HOME": home}
    command = [sys.executable, *words[1:]]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return Said(done.returncode, done.stdout, done.stderr)


def unwrapped(text: str) -> str:
    return " ".join(text.split())


def follow(page: Path, tmp_path: Path) -> None:
    """Do what a page tells to do, in an empty folder, with little to train."""
    blocks = blocks_of(page)
    for block, after in zip(blocks, [*blocks[1:], Block("", "", "")], strict=True):
        if block.file:
            file = tmp_path / block.file
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, encoding="utf-8")
        elif block.language == "bash":
            wanted = after.text.splitlines() if after.language == "text" else []
            said = ""
            for line in block.text.splitlines():
                done = typed(with_little_to_train(line), tmp_path)
                said += done.out + done.err
                shown = any(line.startswith("try:") for line in wanted)
                assert done.code == 0 or (shown and done.code in (1, 2)), f"{line}\n{done.err}"
            if any(line.startswith("try:") for line in wanted):
                assert done.code != 0, f"the last command shows a mistake: {block.text}"
            for line in wanted:
                assert unwrapped(line) in unwrapped(said), f"{block.text} did not say: {line}\n{said}"


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.name)
def test_a_page_followed_word_by_word_does_what_it_says(page: Path, tmp_path: Path) -> None:
    follow(page, tmp_path)


def test_there_are_tutorials() -> None:
    assert [page.name for page in TUTORIALS] == ["write_a_decoder.md"]

"""`segkit data example`: what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from segkit.data.example import folder
from segkit.data.example.photographs import outlined, unseen
from tests.cli.test_cli import in_process


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "outlined", lambda: outlined()[:1])
    monkeypatch.setattr(folder, "unseen", lambda: unseen()[:1])


def test_it_says_what_is_there_and_what_to_type_next(segkit: Any, project: Path) -> None:
    said = segkit("data", "example", "lesions")
    assert said.code == 0
    assert said.out == (
        "lesions/photos       photographs\n"
        "lesions/masks        their outlines\n"
        "lesions/new          photographs without outlines\n"
        "lesions/recipe.yaml  recipe for training\n"
        "\n"
        "Type next: segkit data check lesions\n"
    )
    assert said.err == "photographs: 2\n"


def test_quiet_says_nothing(segkit: Any, project: Path) -> None:
    said = segkit("data", "example", "lesions", "--quiet")
    assert (said.code, said.out, said.err) == (0, "", "")
    assert (project / "lesions/recipe.yaml").is_file()


def test_what_is_in_the_way_is_named(segkit: Any, project: Path) -> None:
    (project / "masks").mkdir()
    said = segkit("data", "example", ".")
    assert said.code == 2
    assert "masks: already exists, and segkit does not overwrite files" in said.err


def test_it_needs_no_torch(project: Path) -> None:
    (project / "masks").mkdir()
    assert in_process("data", "example", ".") == (2, [])

"""docs/guide.md is followed in an empty folder, from its first command to its last."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segkit.data import example
from tests.pages.test_tutorials import GUIDE, blocks_of, follow

pytestmark = pytest.mark.slow


def test_the_guide_can_be_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGKIT_CACHE", str(tmp_path / "cache"))
    follow(GUIDE, tmp_path)
    assert (tmp_path / "runs/lesions/001/report.html").is_file()
    with (tmp_path / "areas.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    with Image.open(tmp_path / "outlines" / f"{rows[2]['photograph']}.png") as mask:
        assert int(rows[2]["pixels"]) == np.count_nonzero(mask)


def test_the_recipe_that_it_shows_is_the_one_that_is_written() -> None:
    (shown,) = [block.text for block in blocks_of(GUIDE) if block.language == "yaml"]
    assert shown == Path(example.__file__).with_name("recipe.yaml").read_text(encoding="utf-8")


def test_it_shows_pictures_that_are_there_and_small() -> None:
    pictures = [path for path in (GUIDE.parent / "guide").iterdir() if path.suffix in (".png", ".jpg")]
    text = GUIDE.read_text(encoding="utf-8")
    assert sorted(path.name for path in pictures) == [
        "curves.png",
        "overlays.jpg",
        "photographs.jpg",
        "samples.jpg",
    ]
    for path in pictures:
        assert f"](guide/{path.name})" in text
        assert path.stat().st_size < 150_000

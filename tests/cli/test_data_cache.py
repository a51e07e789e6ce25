"""`segkit data cache`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from segkit.cli.console.cache import format_bytes
from segkit.recipe import load_recipe
from segkit.recipe.dataset import find_samples, prepare_splits
from tests.small_runs import RECIPE


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of six images."""
    monkeypatch.setenv("SEGKIT_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for kind, values in (("images", 256), ("masks", 2)):
        (tmp_path / kind).mkdir()
        for number in range(6):
            pixels = rng.integers(values, size=(64, 64), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / kind / f"{number}.png")
    source = "{name: folder, images: images, masks: masks}\n  split: {by: fraction, val: 0.5}"
    text = RECIPE.replace("{name: synthetic_lesions, train: 10, test: 5, size: 64}", source)
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    recipe = load_recipe(tmp_path / "recipe.yaml")
    prepare_splits(recipe, find_samples(recipe), lambda label, done, total: None)
    return tmp_path / "cache"


def test_cache_is_shown(segkit: Any, folder: Path) -> None:
    said = segkit("data", "cache")
    first, titles, row = said.out.splitlines()
    assert first == f"{folder}: 6 decoded images, 99 kB"
    assert titles.split() == ["preprocessing", "folder", "images", "size", "last", "used"]
    assert row.startswith("folder at 64x64, 3 channels, binary")
    assert re.search(r"  [0-9a-f]{32} +6  +99 kB  \d{4}-\d\d-\d\d \d\d:\d\d$", row)
    assert said.err == ""


def test_cache_is_shown_to_programs(segkit: Any, folder: Path) -> None:
    shown = json.loads(segkit("data", "cache", "--json").out)
    (one,) = shown["caches"]
    assert shown == {"folder": str(folder), "caches": [one], "removed": []}
    assert one["images"] == 6
    assert one["bytes"] == sum(file.stat().st_size for file in folder.glob("*/*.safetensors"))
    assert one["about"]["size"] == [64, 64]


def test_cache_is_cleared(segkit: Any, folder: Path) -> None:
    assert segkit("data", "cache", "--clear", "--unused-days", "1").out.startswith("removed: nothing\n")
    said = segkit("data", "cache", "--clear")
    assert said.out == f"removed: 6 decoded images, 99 kB\n{folder}: nothing\n"
    assert list(folder.iterdir()) == []
    assert segkit("data", "cache").out == f"{folder}: nothing\n"


def test_days_alone_are_refused(segkit: Any) -> None:
    said = segkit("data", "cache", "--unused-days", "3")
    assert said.code == 2
    assert said.err == ("--unused-days needs --clear\n  try: segkit data cache --clear --unused-days 3\n")


def test_sizes_are_told_in_words() -> None:
    words = [format_bytes(count) for count in (0, 999, 1000, 9_949, 9_951, 2.5e6, 9.9e8, 3e11, 4e14)]
    assert words == [
        "0 bytes",
        "999 bytes",
        "1.0 kB",
        "9.9 kB",
        "10 kB",
        "2.5 MB",
        "990 MB",
        "300 GB",
        "400 TB",
    ]


def test_a_cache_folder_that_is_a_file(segkit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("precious")
    monkeypatch.setenv("SEGKIT_CACHE", str(tmp_path / "file"))
    for arguments in ([], ["--clear"]):
        said = segkit("data", "cache", *arguments)
        assert said.code == 2
        assert "the cache folder is a file" in said.err
        assert "set $SEGKIT_CACHE to a folder" in said.err
    assert (tmp_path / "file").read_text() == "precious"

"""Shared and unused images: told by `check`, at the start of a run, in its record and in its report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from segkit.core.events import RunStarted
from segkit.experiments.check import check
from segkit.experiments.run import run
from segkit.recipe import Recipe, load_recipe
from tests.analysis.dataset.cases import pairs
from tests.small_runs import RECIPE

SHARED = (
    "1 of the 2 test images is also a training image (copy is 2): "
    "their scores are not scores on unseen images. Put each image into one split only; "
    "segkit data check lists them."
)
UNUSED = "split.csv lists 8 of the 12 images: the other 4 are not used (0, 8, 9 and 1 more)."


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """Six images to train on, two to score of which one is trained on, four that are not listed."""
    pairs(tmp_path, range(10))
    for kind in ("images", "masks"):
        shutil.copy(tmp_path / kind / "2.png", tmp_path / kind / "copy.png")
        shutil.copy(tmp_path / kind / "9.png", tmp_path / kind / "unlisted.png")
    rows = [*((str(number), "train") for number in range(1, 7)), ("copy.png", "test"), ("images/7", "test")]
    lines = "".join(f"{name},{split}\n" for name, split in rows)
    (tmp_path / "split.csv").write_text(f"name,split\n{lines}", encoding="utf-8")
    source = "{name: folder, images: images, masks: masks}\n  split: {by: file, file: split.csv}"
    text = RECIPE.replace("{name: synthetic_lesions, train: 10, test: 5, size: 64}", source)
    (tmp_path / "recipe.yaml").write_text(text.replace("[64, 64]", "[32, 32]"), encoding="utf-8")
    return load_recipe(tmp_path / "recipe.yaml", ["training.epochs=1"])


def test_check_tells_of_shared_and_unused_images_first(recipe: Recipe) -> None:
    assert check(recipe).warnings[:2] == [SHARED, UNUSED]


@pytest.mark.slow
def test_a_run_tells_and_records_them(recipe: Recipe, tmp_path: Path) -> None:
    events = list(run(recipe, tmp_path / "runs"))
    assert isinstance(events[0], RunStarted)
    assert events[0].warnings[:2] == [SHARED, UNUSED]
    (directory,) = (tmp_path / "runs/small").iterdir()
    assert json.loads((directory / "summary.json").read_text(encoding="utf-8"))["warnings"][:2] == [
        SHARED,
        UNUSED,
    ]
    for page in ("report.html", "report.md"):
        text = (directory / page).read_text(encoding="utf-8")
        assert SHARED in text
        assert UNUSED in text

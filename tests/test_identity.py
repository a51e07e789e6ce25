"""What makes two runs the same experiment."""

import re
from pathlib import Path

import pytest
from PIL import Image

import segkit
from segkit import identity
from segkit.identity import CHANGES_NOTHING, CHANGES_SPEED, DECIDING, SAVES_MORE_OFTEN, identify
from segkit.plugins import BUILTINS
from segkit.recipe import load_recipe, plain_recipe

from .small_runs import RECIPE, recipe

# Rooms that `run` imports, and that tell of a run without changing what comes out of it.
TELLING = {
    "atomic", "checkpoint", "child", "digests", "environment", "errors", "events", "home", "identity",
    "journal", "locks", "malloc", "opening", "palette", "plugins", "processes", "report", "run_dir",
    "samples", "stopping", "summary", "system_errors", "tensor_file", "thumbnails", "torch_errors",
}  # fmt: skip


def test_every_room_that_a_run_imports_is_known_to_decide_or_to_tell():
    root, found = Path(segkit.__file__).parent, set()
    waiting = {"running", *(module.split(".")[1] for module in BUILTINS)}
    while waiting:
        room = waiting.pop()
        found.add(room)
        files = (root / room).rglob("*.py") if (root / room).is_dir() else [root / f"{room}.py"]
        for file in files:
            imported = set(re.findall(r"segkit\.(\w+)", file.read_text(encoding="utf-8")))
            rooms = {name for name in imported if (root / name).is_dir() or (root / f"{name}.py").is_file()}
            waiting |= {name for name in rooms if room not in TELLING} - found
    assert found - TELLING == set(DECIDING)


def test_all_that_counts_for_nothing_is_in_a_recipe(tmp_path):
    plain = plain_recipe(recipe(tmp_path))
    assert set(CHANGES_NOTHING) < set(plain)
    assert set(CHANGES_SPEED) < set(plain["data"])
    assert set(SAVES_MORE_OFTEN) < set(plain["training"])


def test_the_same_recipe_is_the_same_experiment(tmp_path):
    assert identify(recipe(tmp_path)) == identify(
        recipe(tmp_path, "name=else", "data.workers=1", "data.cache=false")
    )


@pytest.mark.parametrize(
    ("override", "field"),
    [
        ("seed=4", "seed"), ("optimizer.lr=0.1", "recipe"), ("metrics=[iou]", "recipe"),
        ("training.epochs=9", "recipe"),
    ],
)  # fmt: skip
def test_what_differs_is_seen(tmp_path, override, field):
    ours, theirs = identify(recipe(tmp_path)).as_json(), identify(recipe(tmp_path, override)).as_json()
    assert [key for key in ours if ours[key] != theirs[key]] == [field]


def test_other_code_is_seen(tmp_path, monkeypatch):
    before = identify(recipe(tmp_path))
    monkeypatch.setattr(identity, "packages", lambda: {"torch": "0.1"})
    after = identify(recipe(tmp_path))
    assert before.code != after.code
    assert (before.recipe, before.data, before.metrics) == (after.recipe, after.data, after.metrics)


@pytest.fixture
def photographs(tmp_path):
    """A recipe on files, drawn at random into train and val."""
    for folder, colour in (("images", 90), ("masks", 1)):
        (tmp_path / folder).mkdir()
        for number in range(6):
            Image.new("L", (64, 64), colour + number % 2 * (folder == "images")).save(
                tmp_path / folder / f"{number}.png"
            )
    file = tmp_path / "folder.yaml"
    text = RECIPE.replace(
        "{name: synthetic_lesions, train: 10, test: 5, size: 64}",
        "{name: folder, images: images, masks: masks}",
    )
    file.write_text(
        text.replace("  size: [64", "  split: {by: fraction, val: 0.5}\n  size: [64"), encoding="utf-8"
    )
    return lambda *overrides: identify(load_recipe(file, overrides))


def test_another_seed_is_the_same_data_however_it_splits_them(photographs):
    ours, theirs = photographs("seed=1"), photographs("seed=2")
    assert (ours.data, ours.recipe) == (theirs.data, theirs.recipe)


def test_other_pixels_and_more_images_are_other_data(photographs, tmp_path):
    before = photographs()
    Image.new("L", (64, 64), 5).save(tmp_path / "images" / "3.png")
    changed = photographs()
    for folder in ("images", "masks"):
        Image.new("L", (64, 64), 1).save(tmp_path / folder / "6.png")
    assert len({before.data, changed.data, photographs().data}) == 3
    assert before.recipe == changed.recipe

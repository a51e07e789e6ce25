"""What makes two runs the same experiment."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

import segkit
from segkit.recipe import load_recipe, plain_recipe
from segkit.recipe.dataset import scan_recipe_source
from segkit.runs import fingerprint as identity
from segkit.runs.fingerprint import (
    LABEL_KEYS,
    RESULT_CODE,
    SAVING_KEYS,
    SPEED_KEYS,
    changed_fingerprint,
    fingerprint,
)
from tests.small_runs import RECIPE, recipe

# What deciding code may import beside itself: files, locks, processes.
TELLING = "utils"


def test_what_decides_imports_nothing_that_only_tells():
    root = Path(segkit.__file__).parent
    rooms = [
        root / name for name in RESULT_CODE if name != "experiments/run.py"
    ]  # which records and reports too
    files = [file for room in rooms for file in (room.rglob("*.py") if room.is_dir() else [room])]
    imported = {
        name for file in files for name in re.findall(r"from segkit\.([\w.]+) import", file.read_text())
    }
    paths = {name.replace(".", "/") for name in imported}
    known = (*(name.removesuffix(".py") for name in RESULT_CODE), TELLING)
    assert [path for path in sorted(paths) if not path.startswith(known)] == []


def test_all_that_counts_for_nothing_is_in_a_recipe(tmp_path):
    plain = plain_recipe(recipe(tmp_path))
    assert set(LABEL_KEYS) < set(plain)
    assert set(SPEED_KEYS) < set(plain["data"])
    assert set(SAVING_KEYS) < set(plain["training"])


def identified(recipe):
    resolved, scan = scan_recipe_source(recipe)
    return fingerprint(resolved, scan.splits)


def test_the_same_recipe_is_the_same_experiment(tmp_path):
    assert identified(recipe(tmp_path)) == identified(
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
    ours, theirs = (identified(it).model_dump() for it in (recipe(tmp_path), recipe(tmp_path, override)))
    assert [key for key in ours if ours[key] != theirs[key]] == [field]


def test_other_lines_of_the_split_file_are_seen(tmp_path):
    file = tmp_path / "split.csv"

    def divided(lines):
        file.write_text(f"name,split\n{lines}")
        return identified(recipe(tmp_path, f"data.split={{by: file, file: {file}}}"))

    assert divided("a,train\n").recipe == divided("a,train\n").recipe != divided("a,test\n").recipe


def test_other_groups_of_a_file_or_column_are_seen(tmp_path):
    table = tmp_path / "table.csv"

    def divided(lines, *overrides):
        table.write_text(lines)
        split = "data.split={by: kfold, folds: 2, fold: 0, group: %s}"
        return identified(recipe(tmp_path, *overrides, split % (table if not overrides else "patient")))

    assert divided("a,p\n").recipe == divided("a,p\n").recipe != divided("a,q\n").recipe
    for name in ("a", "b"):
        Image.new("L", (8, 8)).save(tmp_path / f"{name}.png")
    manifest = f"data.source={{name: manifest, file: {table}}}"
    rows = "image,mask,patient,age\na.png,a.png,{},{}\nb.png,b.png,2,9\n"
    first = divided(rows.format(1, 7), manifest)
    assert first == divided(rows.format(1, 8), manifest)
    assert first.data != divided(rows.format(2, 7), manifest).data


def test_a_run_that_is_changed_elsewhere_is_another_one(tmp_path):
    then, now = identified(recipe(tmp_path)), identified(recipe(tmp_path, "training.epochs=3"))
    places = [(1, 0), (1, 2), (2, 0)]
    changed = [changed_fingerprint(then, now, epoch, steps).recipe for epoch, steps in places]
    assert len({then.recipe, now.recipe, *changed}) == 5


def test_other_code_is_seen(tmp_path, monkeypatch):
    before = identified(recipe(tmp_path))
    monkeypatch.setattr(identity, "packages", lambda: {"torch": "0.1"})
    after = identified(recipe(tmp_path))
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
    return lambda *overrides: identified(load_recipe(file, overrides))


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


def test_outlines_count(tmp_path):
    """Masks that are painted from a file of all images."""
    resolved, scan = scan_recipe_source(recipe(tmp_path))
    (sample, *others) = scan.splits["train"]
    digests = {
        fingerprint(resolved, {"train": [replace(sample, outlines=outlines), *others]}).data
        for outlines in ("", "a", "b")
    }
    assert len(digests) == 3

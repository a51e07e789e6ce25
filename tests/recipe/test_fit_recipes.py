"""`data.fit` and the keys that belong to it."""

from dataclasses import replace
from pathlib import Path

import pytest

from segkit.core.types import Task
from segkit.data.fit import Fit
from segkit.recipe import dump_recipe, load_recipe
from segkit.recipe.fit_settings import CropSettings
from segkit.recipe.load import load_dumped
from segkit.recipe.sweep import expand_grid
from tests.recipe.cases import loaded, only_problem, written

START = """
  source: {name: folder, images: a, masks: b}
  size: [64, 96]
  task: multiclass
  classes: [ground, car, tree]
"""
CROP = f"{START}  fit: crop\n"


def test_stretch_is_the_default_and_pads_nothing(tmp_path: Path) -> None:
    data = loaded(tmp_path, data=START).data
    assert data.geometry == Fit("stretch", (64, 96))
    assert (data.scale, data.crop, data.validate_windows, data.sample.epoch) == (None,) * 4
    assert data.padded_goal == data.goal == Task("multiclass", ("ground", "car", "tree"))
    assert data.samples_per_epoch(7) == 7


def test_a_recipe_of_windows_is_saved_with_every_default(tmp_path: Path) -> None:
    recipe = loaded(tmp_path, data=CROP)
    assert recipe.data.crop == CropSettings(foreground=0.33, per_image=1, overlap=0.25, classes=None)
    assert recipe.data.geometry == Fit("crop", (64, 96), 1.0, 0.25)
    dumped = dump_recipe(recipe)
    assert "  scale: 1.0\n  crop:\n    foreground: 0.33\n    per_image: 1\n" in dumped
    assert load_dumped(dumped) == recipe
    changes = ["data.scale=0.5", "data.crop={per_image: 4, classes: [tree, car]}", "data.validate_windows=8"]
    data = loaded(tmp_path, changes, data=CROP).data
    assert (data.geometry.scale, data.validate_windows, data.samples_per_epoch(7)) == (0.5, 8, 28)
    assert data.crop == CropSettings(per_image=4, classes=("tree", "car"))
    assert loaded(tmp_path, ["data.sample.epoch=9"], data=CROP).data.samples_per_epoch(7) == 9


def test_another_fit_drops_the_keys_of_crop_but_those_that_are_set_with_it(tmp_path: Path) -> None:
    keys = "  scale: 0.5\n  crop: {foreground: 0.5}\n  validate_windows: 8\n"
    file = written(tmp_path, data=CROP + keys)
    top = tmp_path / "top.yaml"
    top.write_text("extends: recipe.yaml\ndata: {fit: stretch}\n", encoding="utf-8")
    varied = expand_grid(file, vary=["data.fit=letterbox,crop,stretch"])
    for recipe in (load_recipe(file, ["data.fit=letterbox"]), load_recipe(top), *varied[::2]):
        assert recipe.data.fit != "crop"
        assert (recipe.data.scale, recipe.data.crop, recipe.data.validate_windows) == (None,) * 3
    assert varied[1].data.crop == CropSettings(foreground=0.5)
    changes = ["data.fit=letterbox", "data.crop.overlap=0"]
    for ordered in (changes, changes[::-1]):
        found = only_problem(file, ordered)
        assert found.problem == "fit: letterbox does not use crop: write fit: crop, or leave out crop"


def test_padding_is_ignored_with_the_value_of_the_recipe_or_255(tmp_path: Path) -> None:
    for fit in ("letterbox", "crop"):
        data = loaded(tmp_path, [f"data.fit={fit}"], data=START).data
        assert data.padded_goal == replace(data.goal, ignore_index=255)
        data = loaded(tmp_path, [f"data.fit={fit}", "data.ignore_index=9"], data=START).data
        assert data.padded_goal == data.goal == Task("multiclass", ("ground", "car", "tree"), 9)


@pytest.mark.parametrize(
    ("fit", "key", "value", "problem"),
    [
        ("stretch", "scale", "0.5", "fit: stretch does not use scale: write fit: crop, or leave out scale"),
        ("letterbox", "crop", "{overlap: 0}", "fit: letterbox does not use crop: write fit: crop, or leave "),
        ("stretch", "validate_windows", "9", "fit: stretch does not use validate_windows: write fit: crop"),
        ("crop", "scale", "0", "found 0, allowed: a number from 0.01 to 16 or null"),
        ("crop", "crop", "{overlap: -1}", "found -1, allowed: a number from 0 to 0.75"),
        ("crop", "crop", "{overlapp: 0}", "unknown key 'overlapp', allowed: foreground, per_image, overlap"),
        ("crop", "crop", "{foreground: 2}", "found 2, allowed: a number from 0 to 1"),
        ("crop", "crop", "{classes: [car, tram]}", "no class is called 'tram': name ground, car, tree"),
        ("crop", "crop", "{classes: car}", 'found "car", allowed: balanced, or a list of one or more texts'),
        ("crop", "crop", "{classes: [car], foreground: 0}", "classes are those of foreground windows, and "),
        ("crop", "validate_windows", "0", "found 0, allowed: a whole number of at least 1 or null"),
        ("crops", "scale", "2", 'found "crops", allowed: stretch, letterbox or crop'),
        ("crop", "sample", "{balance: group}", "balance: group needs data.split.group, which says what "),
        ("stretch", "sample", "{epoch: 0}", "found 0, allowed: a whole number from 1 to 1000000000 or null"),
    ],
)
def test_keys_that_do_not_fit_are_told_with_their_line(
    tmp_path: Path, fit: str, key: str, value: str, problem: str
) -> None:
    found = only_problem(written(tmp_path, data=f"{START}  fit: {fit}\n  {key}: {value}\n"))
    assert (found.problem[: len(problem)], found.line) == (problem, 7 if fit == "crops" else 8)


@pytest.mark.parametrize("overlap", ["0.76", "0.99", "1"])
def test_an_overlap_that_is_most_of_a_window_is_refused(tmp_path: Path, overlap: str) -> None:
    found = only_problem(written(tmp_path, data=f"{CROP}  crop: {{overlap: {overlap}}}\n"))
    assert (found.path, found.line) == ("data.crop.overlap", 8)
    assert found.problem == f"found {overlap}, allowed: a number from 0 to 0.75"
    assert found.hint == "0.5, which scores each pixel 4 times; 0.75 scores it 16 times"
    assert loaded(tmp_path, ["data.crop.overlap=0.75"], data=CROP).data.geometry.overlap == 0.75


@pytest.mark.parametrize(
    ("fit", "extent", "content", "windows"),
    [
        (Fit("stretch", (64, 96)), (1000, 10), (64, 96), 1),
        (Fit("letterbox", (64, 96)), (1000, 10), (64, 1), 1),
        (Fit("letterbox", (64, 96)), (30, 60), (48, 96), 1),
        (Fit("crop", (64, 96)), (30, 60), (30, 60), 1),
        (Fit("crop", (64, 96), 2.0, 0.25), (100, 101), (200, 202), 6 * 3),  # steps of 32 and 64
        (Fit("crop", (64, 96), 0.01, 0.99), (100, 101), (1, 1), 1),
        (Fit("crop", (8, 8), 1.0, 0.25), (20, 8), (20, 8), 3),  # steps of 6
    ],
)
def test_content_and_windows(fit: Fit, extent, content, windows) -> None:
    assert (fit.content(extent), fit.windows_of(extent)) == (content, windows)
    assert fit.mask_content(extent) == (extent if fit.kind == "crop" else content)

"""Masks as people have them, drawn by make_cases.py: read as is true of them, and trained on."""

import json
import os
import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segkit.analysis.dataset import check_dataset
from segkit.analysis.dataset.dataset import dataset_of_recipe
from segkit.core.errors import DataError
from segkit.core.events import RunEnded
from segkit.experiments.run import run
from segkit.recipe import load_recipe
from segkit.recipe.dataset import scan_recipe_source
from tests.small_runs import light_report

LABELS = "data.labels={road: 7, building: 11, car: 26, ignore: [0, 1, 4]}"
CASES = {"grey_palette": [], "float_mask": [], "label_numbers": [LABELS]}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    script = Path(os.environ.get("SEGKIT_TEST_DATA", ""), "cases/make_cases.py")
    if "SEGKIT_TEST_DATA" not in os.environ or not script.is_file():
        pytest.skip("SEGKIT_TEST_DATA names no folder with cases/make_cases.py")
    folder = tmp_path_factory.mktemp("cases")
    runpy.run_path(str(script))["main"](folder)
    return folder


def truth_of(root: Path, case: str):
    return json.loads((root / case / "truth.json").read_text())


def masks(root: Path, case: str) -> list[np.ndarray]:
    samples = scan_recipe_source(load_recipe(root / case / "recipe.yaml", CASES[case]))[1].splits["train"]
    return [sample.read()[1] for sample in sorted(samples, key=lambda sample: sample.name)]


def test_greys_of_a_gif_are_the_classes(root):
    assert np.unique(masks(root, "grey_palette")).tolist() == truth_of(root, "grey_palette")["values"]


def test_floating_point_numbers_are_foreground(root):
    found = [int(mask.sum()) for mask in masks(root, "float_mask")]
    assert found == truth_of(root, "float_mask")["foreground_or_refused"]


def test_numbers_of_labels_are_the_classes(root):
    truth, raw = truth_of(root, "label_numbers"), load_recipe(root / "label_numbers/recipe.yaml")
    files = [sample.files[1] for sample in scan_recipe_source(raw)[1].splits["train"]]
    for mask, file in zip(masks(root, "label_numbers"), sorted(files), strict=True):
        numbers = np.asarray(Image.open(file))
        for value, name in ((0, "road"), (1, "building"), (2, "car"), (255, "ignored")):
            np.testing.assert_array_equal(mask == value, np.isin(numbers, truth[name]))
    with pytest.raises(
        DataError, match=r"the mask holds 4, 7, 11, 26, which is not a class\n  try: classes are 0"
    ):
        scan_recipe_source(raw)[1].splits["train"][0].read()


@pytest.mark.parametrize(
    "case", ["label_numbers", *(pytest.param(case, marks=pytest.mark.slow) for case in [*CASES][:2])]
)
def test_cases_are_checked_and_train(root, case, tmp_path, monkeypatch):
    monkeypatch.setattr("segkit.experiments.recorder.write_report", light_report)
    recipe = load_recipe(root / case / "recipe.yaml", CASES[case])
    checked = check_dataset(dataset_of_recipe(recipe))
    assert checked.ok
    *_, ended = run(recipe, tmp_path)
    assert isinstance(ended, RunEnded)
    train = [finding.message for finding in checked.findings]
    assert train == (["no mask has a pixel of b"] if case == "grey_palette" else [])


def test_masks_whose_only_class_is_ignored_are_refused_by_check_and_run(root, tmp_path):
    recipe = load_recipe(root / "all_ignored/recipe.yaml")
    assert truth_of(root, "all_ignored") == {"must_be_refused": True}
    assert not check_dataset(dataset_of_recipe(recipe)).ok
    with pytest.raises(
        DataError, match="the masks hold only ground and pixels to ignore: there is nothing to"
    ):
        [*run(recipe, tmp_path)]
    named = load_recipe(
        root / "all_ignored/recipe.yaml", ["data.ignore_index=null", "data.labels={ground: 0, disc: 255}"]
    )
    assert check_dataset(dataset_of_recipe(named)).ok

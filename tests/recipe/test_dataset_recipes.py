"""Recipes of public data sets, on pictures that are drawn in their formats."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segkit.experiments.run import run
from segkit.recipe import load_recipe
from segkit.recipe.dataset import find_samples
from tests.small_runs import light_report

SIDES = (64, 48)


def _save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def _disc(number: int, height: int = SIDES[0], width: int = SIDES[1]) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return (rows - height // 2) ** 2 + (columns - width // 2 - number % 3) ** 2 < (8 + number % 5) ** 2


def _photo(number: int) -> np.ndarray:
    noise = np.random.default_rng(number).integers(0, 60, (*SIDES, 3), dtype=np.uint8)
    return noise + _disc(number)[..., None] * np.uint8(120)


def draw_camvid(root: Path) -> None:
    """Lists of absolute paths of another computer; masks of 0 to 11 in train and trainannot."""
    for split, numbers in {"train": range(6), "val": range(6, 8), "test": range(8, 11)}.items():
        lines = []
        for number in numbers:
            name = f"0001TP_{6690 + 30 * number:06}.png"
            mask = np.arange(SIDES[0], dtype=np.uint8)[:, None].repeat(SIDES[1], 1) // 5 % 12
            _save(root / split / name, _photo(number))
            _save(root / f"{split}annot" / name, mask)
            lines.append(f"/SegNet/CamVid/{split}/{name} /SegNet/CamVid/{split}annot/{name}\n")
        (root / f"{split}.txt").write_text("".join(lines))


def draw_drive(root: Path) -> None:
    """TIFF photographs, GIF masks with another suffix, and the fields of view, which are no masks."""
    for folder, numbers in {"training": range(21, 31), "test": range(1, 5)}.items():
        for number in numbers:
            _save(root / folder / f"images/{number:02}_{folder}.tif", _photo(number))
            _save(root / folder / f"1st_manual/{number:02}_manual1.gif", _disc(number) * np.uint8(255))
            _save(root / folder / f"mask/{number:02}_{folder}_mask.gif", np.full(SIDES, 255, np.uint8))
            if folder == "test":
                _save(
                    root / folder / f"2nd_manual/{number:02}_manual2.gif", _disc(number + 1) * np.uint8(255)
                )


def draw_nuclei(root: Path) -> None:
    """A folder for each image: RGBA without transparency, and a mask for each of its one to three nuclei."""
    for number in range(20):
        name = f"{number:064x}"
        rgba = np.dstack([_photo(number), np.full(SIDES, 255, np.uint8)])
        _save(root / name / f"images/{name}.png", rgba)
        for part in range(1 + number % 3):
            mask = _disc(number) & (np.arange(SIDES[1]) % (1 + number % 3) == part)
            _save(root / name / f"masks/{part:064x}.png", mask * np.uint8(255))


SETS = {
    "camvid": ("CamVid", draw_camvid, {"train": 6, "val": 2, "test": 3}),
    "drive": ("DRIVE", draw_drive, {"train": 8, "val": 2, "test": 4}),
    "nuclei": ("stage1_train", draw_nuclei, {"train": 14, "val": 3, "test": 3}),
}


@pytest.fixture
def drawn(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a recipe whose data set lies in the user's data folder."""
    monkeypatch.setenv("SEGKIT_HOME", str(tmp_path))
    folder, draw, _ = SETS[request.param]
    draw(tmp_path / "data" / folder)
    return request.param  # type: ignore[no-any-return]


@pytest.mark.parametrize("drawn", SETS, indirect=True)
def test_recipe_reads_its_data_set(drawn: str) -> None:
    recipe = load_recipe(drawn)
    found = find_samples(recipe)
    assert {split: len(samples) for split, samples in found.items()} == SETS[drawn][2]
    masks = [sample.read()[1] for samples in found.values() for sample in samples]
    if drawn == "camvid":
        assert len(recipe.data.classes) == 11
        assert all(np.unique(mask).tolist() == [*range(12)] for mask in masks)
    else:
        numbers = [
            int(sample.name, 10 if drawn == "drive" else 16)
            for samples in found.values()
            for sample in samples
        ]
        for number, mask in zip(numbers, masks, strict=True):
            np.testing.assert_array_equal(mask, _disc(number))


@pytest.mark.slow
@pytest.mark.parametrize("drawn", SETS, indirect=True)
def test_recipe_trains_on_its_data_set(drawn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segkit.experiments.recorder.write_report", light_report)
    small = ["data.size=[32, 32]", "model.encoder={name: test_resnet, weights: none}", "training.epochs=1"]
    [*run(load_recipe(drawn, [*small, "training.accelerator=cpu"]), tmp_path / "runs")]
    (summary,) = tmp_path.glob(f"runs/{drawn}/*/summary.json")
    assert json.loads(summary.read_text())["status"] == "complete"

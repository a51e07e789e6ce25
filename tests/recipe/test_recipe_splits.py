"""Splits of a recipe whose masks or columns decide them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segkit.core.errors import DataError
from segkit.recipe import Recipe, dump_recipe, load_recipe
from segkit.recipe.dataset import find_samples, scan_samples
from segkit.recipe.load import load_dumped

RECIPE = """
name: patients
data:
  source: {name: manifest, file: images.csv}
  task: multiclass
  classes: [ground, common, rare]
  size: [16, 16]
  split: {by: fraction, val: 0.25, %s}
model: {encoder: {name: test_resnet, weights: none}, decoder: unet}
loss: cross_entropy
optimizer: adamw
metrics: [iou]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sixteen images of eight patients; the rare class is in four of them."""
    rows = ["image,mask,patient"]
    for number in range(16):
        mask = np.zeros((16, 16), np.uint8)
        mask[: number + 1] = 1
        mask[:2] = 2 if number < 4 else 1
        Image.fromarray(np.full((16, 16, 3), 10 * number, np.uint8)).save(tmp_path / f"{number:02}.png")
        Image.fromarray(mask).save(tmp_path / f"{number:02}_mask.png")
        rows.append(f"{number:02}.png,{number:02}_mask.png,p{number % 8}")
    (tmp_path / "images.csv").write_text("\n".join(rows))
    return tmp_path


def recipe(folder: Path, split: str) -> Recipe:
    file = folder / "recipe.yaml"
    file.write_text(RECIPE % split)
    return load_recipe(file)


@pytest.mark.parametrize("seed", range(6))
def test_balanced_splits_have_their_share_of_the_rare_class(folder: Path, seed: int) -> None:
    found = find_samples(recipe(folder, f"seed: {seed}, balance: true"))
    assert sum(int(sample.name) < 4 for sample in found["val"]) == 1
    assert len(found["val"]) == 4
    grouped = find_samples(recipe(folder, f"seed: {seed}, balance: true, group: patient"))
    patients = [{(sample.columns or {})["patient"] for sample in part} for part in grouped.values()]
    assert not patients[0] & patients[1]
    assert sum(int(sample.name) < 4 for sample in grouped["val"]) == 1


def test_saved_recipe_draws_the_same_groups(folder: Path) -> None:
    (folder / "groups.txt").write_text("\n".join(f"{n:02}.png p{n % 8}" for n in range(16)))
    for group in ("patient", "groups.txt", "'{group}_*'"):
        loaded = recipe(folder, f"group: {group}")
        assert load_dumped(dump_recipe(loaded)).data.split == loaded.data.split
        if "*" not in group:
            assert len(find_samples(loaded)["val"]) == 4


def test_masks_that_cannot_be_counted_and_large_groups_are_told(folder: Path) -> None:
    (folder / "00_mask.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"00_mask\.png: the file is empty"):
        find_samples(recipe(folder, "balance: true"))
    (folder / "groups.csv").write_text("\n".join(f"{n:02},{max(0, n - 8)}" for n in range(16)))
    scan = scan_samples(recipe(folder, "group: groups.csv"))
    assert [warning.problem for warning in scan.warnings] == [
        "data.split.group: 1 of 8 groups has more images than val should have (4 of 16); "
        "the largest, that of 00, has 9"
    ]


@pytest.mark.parametrize(
    "split", ["by: fraction, val: 0.25", "by: kfold, folds: 4, fold: 0", "by: file, file: s.csv"]
)
def test_a_source_without_images_is_not_a_problem_of_the_split(folder: Path, split: str) -> None:
    source = "{name: folder, images: images, masks: images, mask_pattern: '{name}_mask'}"
    (folder / "images").mkdir()
    (folder / "s.csv").write_text("name,split\na,val\n")
    file = folder / "recipe.yaml"
    text = RECIPE.replace("{name: manifest, file: images.csv}", source)
    file.write_text(text.replace("by: fraction, val: 0.25, %s", split))
    (problem,) = scan_samples(load_recipe(file)).problems
    assert (problem.problem, problem.where) == ("there are no training images", str(folder / "images"))

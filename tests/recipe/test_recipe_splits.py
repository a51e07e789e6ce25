"""Splits of a recipe whose masks or columns decide them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segkit.core.errors import DataError, RecipeError
from segkit.experiments.check import check
from segkit.recipe import Recipe, dump_recipe, load_recipe
from segkit.recipe.dataset import find_samples, open_cache, scan_samples
from segkit.recipe.load import load_dumped
from segkit.runs.fingerprint import fingerprint

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


def recipe(folder: Path, split: str, *overrides: str) -> Recipe:
    file = folder / "recipe.yaml"
    file.write_text(RECIPE % split)
    return load_recipe(file, overrides)


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


def test_fraction_leaves_val_and_is_part_of_the_fingerprint(folder: Path) -> None:
    found, prints = {}, set()
    for fraction, seed in ((1, 0), (0.5, 0), (0.5, 3), (0.2, 0)):
        settings = (f"data.fraction={fraction}", f"data.fraction_seed={seed}")
        loaded = recipe(folder, "group: patient", *settings)
        scan = scan_samples(loaded)
        names = {split: [sample.name for sample in part] for split, part in scan.splits.items()}
        found[fraction, seed] = {*names["train"]}
        assert scan.left_out == 12 - len(names["train"])
        assert names["val"] == [
            sample.name for sample in find_samples(recipe(folder, "group: patient"))["val"]
        ]
        prints.add(fingerprint(loaded, scan.splits).recipe)
    assert len(prints) == 4
    assert [*map(len, found.values())] == [12, 6, 6, 2]
    assert found[0.2, 0] < found[0.5, 0] < found[1, 0]
    assert found[0.5, 0] != found[0.5, 3]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("fraction=0", r"data\.fraction: found 0, allowed: a number above 0 and at most 1"),
        ("fraction=1.5", r"data\.fraction: found 1\.5, allowed: a number above 0 and at most 1"),
        ("fraction_seed=3", r"data\.fraction_seed: all training images are used: set fraction below 1"),
    ],
)
def test_fraction_of_nothing_or_of_more_than_all_is_refused(folder: Path, setting: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        recipe(folder, "seed: 0", f"data.{setting}")


def test_fraction_that_leaves_no_image_is_a_problem_of_the_split(folder: Path) -> None:
    (problem,) = scan_samples(recipe(folder, "seed: 0", "data.fraction=0.01")).problems
    assert problem.problem == "data.fraction: 0.01 of 12 training images leaves no image"
    assert (problem.hint, problem.kind) == ("use 0.08333 or more", "split")


def test_fractions_share_the_cache_and_lacking_classes_are_warned_about(folder: Path) -> None:
    whole, part = (recipe(folder, "seed: 0", f"data.fraction={share}") for share in (1, 0.25))
    assert open_cache(whole).folder == open_cache(part).folder
    seeds = range(20)
    parts = [recipe(folder, "seed: 0", "data.fraction=0.25", f"data.fraction_seed={seed}") for seed in seeds]
    lacking = next(
        part for part in parts if all(int(sample.name) >= 4 for sample in find_samples(part)["train"])
    )
    report = check(lacking)
    assert (report.images, report.left_out) == ({"train": 3, "val": 4}, 9)
    assert "The class 'rare' is in no training image and cannot be learnt" in "\n".join(report.warnings)

"""Recipes of public data sets with outlined objects, on pictures that are drawn in their formats."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from segkit.recipe import load_recipe
from segkit.recipe.dataset import find_samples
from tests.data.cases import picture, save

HEIGHT, WIDTH = 40, 60
SQUARE = [(10.0, 10.0), (30.0, 10.0), (30.0, 30.0), (10.0, 30.0)]
CORNERS = [value for point in SQUARE for value in point]


def draw_facades(root: Path) -> None:
    """COCO files beside the pictures of each split; two categories have one name, one is not used."""
    names = ["facade", "window", "facade"]
    for split, count in {"train": 4, "valid": 2, "test": 1}.items():
        for number in range(count):
            save(root / split / f"{number}.jpg", picture(HEIGHT, WIDTH))
        content = {
            "info": {"year": "2025"},
            "categories": [{"id": n, "name": name, "supercategory": "none"} for n, name in enumerate(names)],
            "images": [
                {"id": n, "file_name": f"{n}.jpg", "width": WIDTH, "height": HEIGHT} for n in range(count)
            ],
            "annotations": [
                {
                    "id": 2 * n + k,
                    "image_id": n,
                    "category_id": 2 - k,
                    "bbox": [],
                    "iscrowd": 0,
                    "segmentation": [outline],
                }
                for n in range(count)
                for k, outline in enumerate((CORNERS, [value / 2 for value in CORNERS]))
            ],
        }
        (root / split / "_annotations.coco.json").write_text(json.dumps(content), encoding="utf-8")


def draw_cracks(root: Path) -> None:
    """A yaml whose path is a folder elsewhere; the last picture of each split has no crack and no file."""
    text = "path: crack-seg # dataset root dir\ntrain: train/images\nval: valid/images\ntest: test/images\n"
    line = "0 " + " ".join(f"{x / WIDTH} {y / HEIGHT}" for x, y in SQUARE)
    for split, count in {"train": 4, "valid": 2, "test": 2}.items():
        (root / split / "labels").mkdir(parents=True)
        for number in range(count):
            save(root / split / f"images/{number}.rf.0a.jpg", picture(HEIGHT, WIDTH))
            if number < count - 1:
                (root / split / f"labels/{number}.rf.0a.txt").write_text(line, encoding="utf-8")
    (root / "crack-seg.yaml").write_text(
        f"{text}\nnames:\n  0: crack\ndownload: https://x\n", encoding="utf-8"
    )


def draw_fruits(root: Path) -> None:
    """JSON files beside the pictures, which they hold once more."""
    for number in range(6):
        file = save(root / f"images/{number}.jpg", picture(HEIGHT, WIDTH))
        content = {
            "version": "3.6.16",
            "flags": {},
            "shapes": [
                {
                    "label": name,
                    "line_color": None,
                    "fill_color": None,
                    "points": points,
                    "shape_type": "polygon",
                }
                for name, points in (("fig", SQUARE), ("date", [(x + 20, y) for x, y in SQUARE]))
            ],
            "lineColor": [0, 255, 0, 128],
            "imagePath": f"{number}.jpg",
            "imageData": "/9j/4AAQ",
            "imageHeight": HEIGHT,
            "imageWidth": WIDTH,
        }
        file.with_suffix(".json").write_text(json.dumps(content), encoding="utf-8")


Draw = Callable[[Path], None]
SETS: dict[str, tuple[str, Draw, dict[str, int], Mapping[str, int]]] = {
    "facades": ("facades", draw_facades, {"train": 4, "val": 2, "test": 1}, {"facade": 375, "window": 100}),
    "crack_seg": ("crack-seg", draw_cracks, {"train": 4, "val": 2, "test": 2}, {"crack": 400}),
    "dried_fruits": ("labelme2coco", draw_fruits, {"train": 4, "val": 2}, {"fig": 400, "date": 400}),
}


@pytest.mark.parametrize("name", SETS)
def test_recipe_reads_its_data_set(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGKIT_HOME", str(tmp_path))
    folder, draw, counts, pixels = SETS[name]
    draw(tmp_path / "data" / folder)
    recipe = load_recipe(name)
    found = find_samples(recipe)
    assert {split: len(samples) for split, samples in found.items()} == counts
    classes = (
        recipe.data.classes if recipe.data.task == "multiclass" else ("background", *recipe.data.classes)
    )
    mask = found["train"][0].read()[1]
    values = dict(zip(*np.unique(mask, return_counts=True), strict=True))
    assert {classes[value]: count for value, count in values.items() if value} == pixels

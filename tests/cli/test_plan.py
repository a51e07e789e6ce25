"""`segkit plan`: the recipes it writes, what it prints, and its errors."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import segkit as segkit_package
from segkit.recipe import load_recipe
from tests.analysis.dataset.cases import pairs, picture, save
from tests.small_runs import RECIPE


def lined(root: Path, extents: list[tuple[int, int]], width: int = 1) -> None:
    """Images of horizontal lines, 40 pixels long."""
    for number, extent in enumerate(extents):
        mask = np.zeros(extent, np.uint8)
        for row in range(8, extent[0], 24):
            mask[row : row + width, 10:50] = 255
        save(root / "images" / f"{number}.png", picture(number, max(extent))[: extent[0], : extent[1]])
        save(root / "masks" / f"{number}.png", mask)


def test_a_folder_becomes_a_recipe_with_reasons(segkit: Any, tmp_path: Path) -> None:
    pairs(tmp_path, range(10))
    said = segkit("plan", str(tmp_path))
    assert said.code == 0
    assert said.out.startswith(
        f"# By segkit plan {segkit_package.__version__}, from 8 of 8 training images.\nname: test_a_folder_"
    )
    (tmp_path / "recipe.yaml").write_text(said.out)
    recipe = load_recipe(tmp_path / "recipe.yaml")
    data = recipe.data
    assert (data.fit, data.size, data.batch_size, data.sample.epoch) == ("stretch", (96, 96), 8, 320)
    assert (recipe.training.epochs, data.split.val, data.source.options["images"]) == (
        50, 0.2, tmp_path / "images",
    )  # fmt: skip
    assert [part.name for part in recipe.parts()] == [
        "folder", "HorizontalFlip", "VerticalFlip", "RandomBrightnessContrast", "mobilenetv2_100", "unet",
        "dice", "bce", "adamw", "one_cycle", "dice", "iou",
    ]  # fmt: skip
    assert "  # height, width; a perfect model would reach Dice 1.000\n  size: [96, 96]\n" in said.out
    assert "# 2,000 steps, 40 in each epoch\ntraining: {epochs: 50}\n" in said.out
    assert said.err.startswith(
        "training images: 8\nbest possible scores: 2\nimages: 8 train, 2 val; measured: 8 train\n"
        "sizes: 96x96\n"
        "structures: about "
    )
    assert said.err.endswith(
        "Dice that a perfect model would reach:\n"
        "fit       size  scale   Dice\n"
        "stretch  96x96         1.000  chosen\n"
        "crop                1  1.000\n\n"
    )


def test_images_of_thin_lines_are_seen_in_windows(
    segkit: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segkit.analysis.plan.measure.MAX_SIDE", 540)
    lined(project, [(520, 560)] * 4)
    said = segkit("plan", ".", "--out", "plan.yaml")
    assert (said.code, said.err) == (0, "training images: 3\nbest possible scores: 8\n")
    assert "\nlarge masks: 3; measured: 540x540 pixels around the foreground\n" in said.out
    assert said.out.endswith("Recipe: plan.yaml\n\nType next: segkit check plan.yaml\n")
    data = load_recipe(project / "plan.yaml").data
    assert (data.fit, data.scale, data.size) == ("crop", 1.0, (256, 256))
    again = segkit("plan", ".", "--out", "plan.yaml")
    assert (again.code, again.err) == (
        2, "plan.yaml: this file already exists\n  try: choose another name: --out FILE\n",
    )  # fmt: skip


def test_a_recipe_that_cannot_be_written_is_told(
    segkit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs(tmp_path, range(4))
    monkeypatch.chdir(tmp_path)
    said = segkit("plan", ".", "--out", "none/plan.yaml")
    assert (said.code, said.err) == (2, "none: there is no such folder\n  try: create it first\n")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", ".plan.yaml.tmp")

    monkeypatch.setattr("segkit.utils.atomic.write_text", full)
    said = segkit("plan", ".", "--out", "plan.yaml")
    assert said.code == 1
    assert said.err.endswith(
        "plan.yaml: cannot write: No space left on device\n"
        "  try: free some space; then the same again, or --out with another file\n"
    )


def test_a_recipe_keeps_all_that_is_not_planned(segkit: Any, project: Path) -> None:
    lined(project, [(60, 90), (90, 60)] * 3, width=12)
    source = "{name: folder, images: images, masks: masks}"
    text = RECIPE.replace("{name: synthetic_lesions, train: 10, test: 5, size: 64}", source)
    lines = [line for line in text.splitlines() if not line.strip().startswith(("size:", "loss:"))]
    own = "\n".join(lines).replace(
        "data:", "data:\n  split: {by: fraction, val: 0.5}\n  colors: {foreground: '#ff0000'}"
    )
    (project / "own.yaml").write_text(own)
    said = segkit("plan", "own.yaml", "--json", "--set", "seed=7", "--set", "data.sample.balance=class")
    assert (said.code, said.err) == (0, "")
    told = json.loads(said.out)
    assert told["images"] == {"train": 3, "val": 3}
    assert told["plan"]["data"] == {
        "fit": "letterbox",
        "size": [96, 96],
        "sample": {"epoch": 80},
        "batch_size": 2,
    }
    assert [(line["fit"], round(line["dice"], 2)) for line in told["ceilings"]] == [
        ("letterbox", 1),
        ("crop", 1),
    ]
    (project / "elsewhere").mkdir()
    (project / "elsewhere" / "plan.yaml").write_text(told["recipe"])
    given, planned = (
        load_recipe(project / "own.yaml", ["data.size=[8, 8]", "loss=dice"]),
        load_recipe(project / "elsewhere" / "plan.yaml"),
    )
    assert (planned.seed, planned.data.sample.balance, planned.data.sample.epoch) == (7, "class", 80)
    kept = ("source", "split", "colors", "augment", "classes")
    assert [getattr(planned.data, key) for key in kept] == [getattr(given.data, key) for key in kept]
    assert (planned.model, planned.optimizer, planned.metrics) == (
        given.model,
        given.optimizer,
        given.metrics,
    )


def test_hours_are_pixels_at_the_measured_speed(
    segkit: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[Any] = []

    def training_speed(recipe: Any, _: Any) -> float:
        measured.append(recipe)
        return 0.5

    monkeypatch.setattr("segkit.experiments.benchmark.throughput.training_speed", training_speed)
    pairs(project / "spots", range(10))
    said = segkit("plan", "spots", "--hours", "0.2", "--json")
    assert (said.code, said.err) == (0, "")
    assert [(recipe.data.batch_size, recipe.model.encoder.options["weights"]) for recipe in measured] == [
        (8, "none"), (1, "none"),
    ]  # fmt: skip
    # 0.75 x 0.2 hours x 3600 s x 0.5 images: 270 images in steps of one
    told = json.loads(said.out)
    assert told["pixels"] == 0.2 * 3600 * 0.5 * 96 * 96
    assert told["plan"] == {
        "data": {"fit": "stretch", "size": [96, 96], "batch_size": 1},
        "loss": ["dice", "bce"],
        "training": {"epochs": 34},
    }
    said = segkit("plan", "spots", "--hours", "0.2", "--out", "plan.yaml")
    assert (
        "\ntime: 0.2 hours, at the measured speed 3 million pixels, of which 75% are trained on\n" in said.out
    )


def test_hours_have_a_limit(segkit: Any) -> None:
    said = segkit("plan", "spots", "--hours", "inf")
    assert said.code == 2
    assert "Invalid value for '--hours': Input should be less than or equal to 10000" in said.err


@pytest.mark.slow
def test_hours_are_measured(segkit: Any, project: Path) -> None:
    pairs(project / "spots", range(4))
    said = segkit("plan", "spots", "--hours", "0.001", "--out", "plan.yaml")
    assert said.code == 0
    planned = load_recipe(project / "plan.yaml")
    steps = planned.training.epochs * (planned.data.sample.epoch or 3) / planned.data.batch_size
    assert steps < 2000


ERRORS = {
    "own.yaml --set data.size=[64,64]": "--set data.size=[64,64]: data.size is planned\n"
    "  try: leave it out, and change the planned recipe\n",
    "nowhere": "nowhere: there is no such file or folder\n  try: give a recipe, a folder of images and",
    "spots --set seed=1": "spots: --set, --plugins and --no-plugins can only be used with a recipe\n",
    "spots": "masks/3.png: ",
    "run": "run: this is a run, not a data set\n  try: its recipe: run/recipe.yaml\n",
    "other": "other: this folder holds no images\n",
    "empty": "masks/0.png: none of 3 training masks has foreground: all pixels are background\n"
    "  try: segkit data check tells what the masks hold\n",
    "spots --out nowhere/plan.yaml": "nowhere: there is no such folder\n  try: create it first\n",
}


@pytest.mark.parametrize("words", ERRORS)
def test_errors_say_what_to_do(segkit: Any, project: Path, words: str) -> None:
    pairs(project / "spots", range(4))
    (project / "spots" / "masks" / "3.png").write_bytes(b"no image")
    (project / "own.yaml").write_text(RECIPE)
    (project / "other" / "holidays").mkdir(parents=True)
    (project / "run").mkdir()
    for name in ("recipe.yaml", "environment.json"):
        (project / "run" / name).touch()
    for number in range(4):
        save(project / "empty" / "images" / f"{number}.png", picture(number))
        save(project / "empty" / "masks" / f"{number}.png", np.zeros((96, 96), np.uint8))
    said = segkit("plan", *words.split())
    assert (said.code, said.out) == (2, "")
    assert ERRORS[words] in said.err
    assert [*json.loads(segkit("plan", *words.split(), "--json").out)] == ["errors"]

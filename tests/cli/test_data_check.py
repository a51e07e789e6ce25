"""`segkit data check`: what it says, to people and to programs, and how it ends."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from segkit.analysis.dataset import CheckResult, Dataset, Finding
from segkit.cli import console
from segkit.cli.console import data_check as doctor
from tests.analysis.dataset.cases import BINARY, blob, opened, pairs, save
from tests.cli.test_cli import in_process
from tests.small_runs import RECIPE


@pytest.fixture
def root(tmp_path: Path) -> Path:
    pairs(tmp_path, range(6), "train")
    pairs(tmp_path, range(6, 9), "test")
    return tmp_path


@pytest.fixture
def recipe(root: Path) -> Path:
    source = "{name: folder, images: images, masks: masks}"
    text = RECIPE.replace("{name: synthetic_lesions, train: 10, test: 5, size: 64}", source)
    file = root / "recipe.yaml"
    file.write_text(text.replace("source:", "classes: [spot]\n  source:"), encoding="utf-8")
    return file


def lines(root: Path) -> str:
    return (
        f"data:\n  source: {{name: folder, images: {root}/images, masks: {root}/masks}}\n"
        "  task: binary\n  classes: [foreground]\n"
        "  # height, width: as the images (96x96 pixels), at most 512; larger is finer and slower\n"
        "  size: [96, 96]\n  split: {by: fraction, val: 0.2}\n"
    )


def unwrapped(text: str) -> str:
    return re.sub("\n {4,}", " ", text)


def test_a_clean_set_is_ok(segkit: Any, root: Path) -> None:
    said = segkit("data", "check", str(root))
    assert said.code == 0
    assert unwrapped(said.out) == (
        "detected images in images, masks in masks, named '{name}'; binary masks\n"
        "images: 6 train, 3 test\n"
        "pixels: uint8, 3 channels, 0 to 255\n\n"
        "class       share of pixels  images\n"
        "background            90.0%       9\n"
        "foreground            10.0%       9\n\n"
        f"To train on it, put these lines into a recipe:\n\n{lines(root)}\nok\n"
    )
    assert said.err == "train images: 6\ntest images: 3\nmask values: 9\n"
    assert segkit("data", "check", str(root), "--quiet").out == ""


def test_lines_for_a_recipe_have_the_colours_of_the_masks(segkit: Any, root: Path) -> None:
    for number in range(3):
        mask = Image.fromarray(blob(number, 1) + np.uint8(1), "P")
        mask.putpalette([0, 0, 0, 128, 64, 128, 0, 0, 142])
        mask.save(save(root / f"streets/masks/{number}.png", blob(number)))
        save(root / f"streets/images/{number}.png", blob(number))
    answer = json.loads(segkit("data", "check", str(root / "streets"), "--json").out)
    assert "data.colors" not in segkit("data", "check", str(root / "streets")).out
    data = yaml.safe_load(answer["recipe"])["data"]
    assert data["colors"] == answer["colors"] == {
        "class 0": "#000000", "class 1": "#804080", "class 2": "#00008e",
    }  # fmt: skip


def test_errors_are_told_with_files_and_what_to_try(segkit: Any, recipe: Path) -> None:
    root = recipe.parent
    (root / "masks/train/3.png").unlink()
    save(root / "masks/test/7.png", blob(7, 0))
    said = segkit("data", "check", str(recipe))
    assert said.code == 2
    assert (
        said.out
        == f"""small: the source folder
images: 5 train, 3 test
pixels: uint8, 3 channels, 0 to 255
files below: {root}

class       share of pixels  images
background            91.2%       8
spot                   8.8%       7

fault     severity  found  files
unpaired  error         1      1
empty     warning       1      1

error: unpaired
  this image has no mask
    images/train/3.png
  try: add the missing mask, or move this image out of the folder

warning: empty
  the mask is empty: no pixel is spot
    masks/test/7.png
  try: correct if the image shows no object

not ok: a run would be refused, or its scores would be wrong
"""
    )
    assert "no pixel is spot" in segkit("data", "check", str(recipe), "-q").out


def test_warnings_are_ok(segkit: Any, root: Path) -> None:
    save(root / "masks/test/7.png", blob(7, 0))
    said = segkit("data", "check", str(root))
    assert said.code == 0
    assert said.out.endswith("\nok, with warnings\n")
    assert segkit("data", "check", str(root), "--quiet").out == ""


def test_json_is_one_document(segkit: Any, root: Path) -> None:
    shutil.copy(root / "images/train/1.png", root / "images/test/x.png")
    shutil.copy(root / "masks/train/1.png", root / "masks/test/x.png")
    said = segkit("data", "check", str(root), "--json")
    assert (said.code, said.err) == (2, "")
    answer = json.loads(said.out)
    assert unwrapped(answer.pop("recipe")) == lines(root)
    assert answer == {
        "ok": False,
        "about": "detected images in images, masks in masks, named '{name}'; binary masks",
        "task": "binary",
        "images": {"train": 6, "test": 4},
        "groups": {},
        "splits": {
            split: [{"name": name, "file": str(root / f"images/{split}/{name}.png")} for name in names]
            for split, names in (("train", "012345"), ("test", "678x"))
        },
        "pixels": {
            "types": {"uint8": 10},
            "channels": {"3": 10},
            "lowest": [0.0] * 3,
            "highest": [255.0] * 3,
        },
        "classes": {
            "background": {"pixels": 82482, "images": 10, "fraction": 82482 / 92160},
            "foreground": {"pixels": 9678, "images": 10, "fraction": 9678 / 92160},
        },
        "colors": {},
        "faults": [
            {
                "kind": "duplicate",
                "severity": "error",
                "files": [str(root / "images/train/1.png"), str(root / "images/test/x.png")],
                "message": "the same pixels in train and test",
                "hint": "put both into the same split: "
                "otherwise the model is tested on an image it was trained on",
            }
        ],
        "errors": [],
    }


def test_the_recipe_s_size_and_splits_count(segkit: Any, recipe: Path) -> None:
    mask = blob(7, 0)
    mask[10, 10] = 255
    save(recipe.parent / "masks/test/7.png", mask)
    folds = ["--set", "data.split={by: kfold, folds: 2, fold: 0}"]
    for size, kinds in (("96", []), ("48", ["vanishes"])):
        said = segkit("data", "check", str(recipe), "--json", *folds, "--set", f"data.size=[{size}, {size}]")
        answer = json.loads(said.out)
        assert answer["images"] == {"train": 3, "val": 3, "test": 3}
        assert [fault["kind"] for fault in answer["faults"]] == kinds


def test_groups_and_images_of_each_split_are_told(segkit: Any, recipe: Path) -> None:
    (recipe.parent / "groups.csv").write_text("".join(f"train/{n},p{n // 2}\n" for n in range(6)))
    split = f"data.split={{by: kfold, folds: 3, fold: 0, balance: true, group: {recipe.parent}/groups.csv}}"
    told = segkit("data", "check", str(recipe), "--set", split)
    assert "images: 4 train, 2 val, 3 test\ngroups: 2 train, 1 val\npixels" in told.out
    assert told.err.splitlines() == [
        "images to balance splits: 6", "train images: 4", "val images: 2", "test images: 3"
    ]  # fmt: skip
    answer = json.loads(segkit("data", "check", str(recipe), "--json", "--set", split).out)
    assert answer["groups"] == {"train": 2, "val": 1}
    (group,) = {image["group"] for image in answer["splits"]["val"]}
    assert group not in {image["group"] for image in answer["splits"]["train"]}
    assert answer["splits"]["test"] == [
        {"name": name, "file": f"{recipe.parent}/images/test/{name}.png"} for name in "678"
    ]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["nowhere"], "there is no such file or folder"),
        (["images"], "no folder is named like a folder of masks: test, train"),
        (["none.csv"], "there is no such file"),
        ([".", "--set", "seed=1"], "--set, --plugins and --no-plugins can only be used with a recipe"),
        ([".", "--no-plugins"], "--set, --plugins and --no-plugins can only be used with a recipe"),
        ([".", "--sheet", "sheet.html"], "a contact sheet is a PNG file"),
        (["recipe.yaml", "--set", "data.source.name=none"], "no source is called 'none'"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_examined_ends_with_2(
    segkit: Any, recipe: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], problem: str
) -> None:
    monkeypatch.chdir(recipe.parent)
    said = segkit("data", "check", *words)
    assert (said.code, said.out) == (2, "")
    assert problem in said.err
    answer = segkit("data", "check", *words, "--json")
    assert (answer.code, answer.err) == (2, "")
    told = json.loads(answer.out)
    assert (told["ok"], told["faults"]) == (False, [])
    assert problem in told["errors"][0]["problem"]


def test_the_sheet_is_drawn(segkit: Any, root: Path) -> None:
    save(root / "masks/test/7.png", 255 - blob(7))
    said = segkit("data", "check", str(root), "--sheet", str(root / "suspects.png"))
    assert said.out.endswith(f"Contact sheet: {root}/suspects.png\n")
    assert opened(root / "suspects.png").format == "PNG"


def test_many_faults_are_not_a_list_of_files(capsys: pytest.CaptureFixture[str]) -> None:
    faults = [Finding("empty", "warning", (f"/a/b/masks/{n}.png",), "it is empty") for n in range(1200)]
    pairs = [Finding("same_mask", "warning", (f"/a/b/{n}.png", f"/a/b/{n}_.png"), "equal") for n in range(9)]
    group = Finding("duplicate", "error", tuple(f"/a/b/images/{n}.png" for n in range(30)), "all the same")
    console.print_data_check(CheckResult(Dataset("many", BINARY, {}), [group, *faults, *pairs]))
    said = capsys.readouterr().out
    assert len(said.splitlines()) < 45
    assert "images: none\nfiles below: /a/b\n" in said
    assert "    and 26 more files\n" in said
    assert "  it is empty\n    masks/0.png\n    masks/1.png\n    masks/2.png\n    masks/3.png\n" in said
    assert "    and 1,196 more files\n" in said
    assert "  and 4 more of this kind: --json prints all of them\n" in said


def test_names_of_files_do_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    fault = Finding("empty", "warning", ("/a/b/c/\x1b[31m[red]\n.png",), "it is \x1b[2Jempty")
    console.print_data_check(CheckResult(Dataset("[bold]odd\x07", BINARY, {}), [fault]))
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "\x07" not in said
    assert "[bold]odd\\x07" in said
    assert "\\x1b[31m[red]" in said


def test_files_of_nothing_in_common_are_shown_whole() -> None:
    faults = [Finding("empty", "warning", (name,), "it is") for name in ("/a/1.png", "/b/2.png")]
    assert doctor._common_folder(faults) == ""
    assert doctor._common_folder([Finding("empty", "warning", ("drawn 1",), "it is")]) == ""


@pytest.mark.slow
def test_no_torch_is_imported(recipe: Path) -> None:
    assert in_process("data", "check", str(recipe)) == (0, [])

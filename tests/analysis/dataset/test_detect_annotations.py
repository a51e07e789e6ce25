"""Folders with annotation files: what they are taken for, and the recipe lines that read them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from segkit.analysis.dataset import check_dataset, dataset_of_folder
from segkit.core.errors import DataError
from segkit.core.types import Task
from tests.parts.sources.cases import CORNER, WHOLE, WRITERS, write_coco, write_images, write_voc

TWO = [("car", WHOLE), ("dog", CORNER)]
CLASSES = ("background", "car", "dog")


def moved(root: Path, old: str, new: str) -> None:
    (root / new).parent.mkdir(parents=True, exist_ok=True)
    shutil.move(root / old, root / new)


def source_lines(root: Path) -> str:
    """The source of the printed lines."""
    recipe = dataset_of_folder(root).recipe.replace(f"{root}/", "")
    return str(yaml.safe_load(recipe)["data"]["source"]).replace("'", "")


@pytest.mark.parametrize("name", [*WRITERS])
@pytest.mark.parametrize(
    ("objects", "task"),
    [
        (TWO, Task("multiclass", CLASSES)),
        ([("car", CORNER)], Task("binary", ("car",))),
        ([("background", WHOLE), *TWO], Task("multiclass", CLASSES)),
        (
            [("car", WHOLE), ("ignore", CORNER)],
            Task("binary", ("car",), 255, (("car", ("car",)), ("ignore", ("ignore",)))),
        ),
        (
            [("background", WHOLE), ("car", CORNER)],
            Task("binary", ("car",), None, (("car", ("car",)), ("background", ("background",)))),
        ),
        (
            [("background", WHOLE), ("_background_", CORNER), *TWO],
            Task(
                "multiclass",
                CLASSES,
                None,
                (("car", ("car",)), ("dog", ("dog",)), ("background", ("background", "_background_"))),
            ),
        ),
        ([(f"c{n:03}", CORNER) for n in range(300)], Task("binary", ("foreground",))),
    ],
    ids=["two", "one", "background", "ignored", "hole", "backgrounds", "many"],
)
def test_names_are_classes(
    tmp_path: Path, name: str, objects: list[tuple[str, list[tuple[float, float]]]], task: Task
) -> None:
    WRITERS[name](tmp_path, objects)
    found = dataset_of_folder(tmp_path)
    assert found.task == task
    assert not found.problems
    assert [len(samples) for samples in found.splits.values()] == [3]
    assert found.splits["train"][0].read()[1].any()


def test_coco_files_and_folders_of_splits(tmp_path: Path) -> None:
    """As COCO 2017 is unpacked: other annotation files lie beside those of objects."""
    for split in ("train2017", "val2017"):
        write_coco(tmp_path / split, TWO)
        moved(tmp_path, f"{split}/annotations.json", f"annotations/instances_{split}.json")
        moved(tmp_path, f"{split}/images", f"images/{split}")
    shutil.copy(
        tmp_path / "annotations/instances_val2017.json", tmp_path / "annotations/captions_val2017.json"
    )
    assert source_lines(tmp_path) == (
        "{name: coco, images: {train: images/train2017, val: images/val2017}, annotations: "
        "{train: annotations/instances_train2017.json, val: annotations/instances_val2017.json}}"
    )
    found = dataset_of_folder(tmp_path)
    assert found.about == (
        "detected annotations in COCO's format in annotations/instances_train2017.json, "
        "annotations/instances_val2017.json; multiclass masks"
    )
    assert {split: len(samples) for split, samples in found.splits.items()} == {"train": 3, "val": 3}
    assert not found.problems


def test_coco_files_beside_the_images_of_their_split(tmp_path: Path) -> None:
    """As Roboflow exports it; crowds are ignored."""
    for split in ("train", "valid"):
        write_coco(tmp_path / split, TWO)
        moved(tmp_path, f"{split}/annotations.json", f"{split}/_annotations.coco.json")
        for image in (tmp_path / split / "images").iterdir():
            image.rename(tmp_path / split / image.name)
    file = tmp_path / "train/_annotations.coco.json"
    file.write_text(file.read_text().replace('"iscrowd": 0', '"iscrowd": 1', 1))
    assert source_lines(tmp_path) == (
        "{name: coco, images: {train: train, val: valid}, annotations: "
        "{train: train/_annotations.coco.json, val: valid/_annotations.coco.json}}"
    )
    assert dataset_of_folder(tmp_path).task == Task("multiclass", CLASSES, 255)
    moved(tmp_path, "train/_annotations.coco.json", "annotations.json")
    lines = source_lines(tmp_path)
    assert "annotations: {val: valid/_annotations.coco.json, train: annotations.json}" in lines
    moved(tmp_path, "annotations.json", "train/_annotations.coco.json")
    shutil.copy(file, tmp_path / "train/more.json")
    with pytest.raises(DataError, match=r"several files hold annotations: train/_annotations\.coco\.json, "):
        dataset_of_folder(tmp_path)


def test_faults_of_annotation_files_are_reported(tmp_path: Path) -> None:
    write_coco(tmp_path, TWO)
    file = tmp_path / "annotations.json"
    content = json.loads(file.read_text())
    for entry in content["annotations"]:
        entry["segmentation"] = []  # boxes alone
    file.write_text(json.dumps(content))
    found = check_dataset(dataset_of_folder(tmp_path))
    assert found.dataset.task == Task("binary", ("foreground",))
    places = ", ".join(f"annotation {number}" for number in range(5))
    message = f"{places} and 1 more: it has no segmentation"
    assert ("labels", "error", (str(file),), message) in [
        (finding.kind, finding.severity, finding.files, finding.message) for finding in found.findings
    ]


def test_several_yolo_files_are_named(tmp_path: Path) -> None:
    WRITERS["yolo"](tmp_path, TWO)
    (tmp_path / "recipe.yaml").write_text("name: x\ndata: {source: y}\n")
    assert source_lines(tmp_path) == "{name: yolo, file: data.yaml}"
    moved(tmp_path, "data.yaml", "one.yaml")
    shutil.copy(tmp_path / "one.yaml", tmp_path / "two.yml")
    with pytest.raises(DataError, match=r"several files describe a data set: one\.yaml, two\.yml\n"):
        dataset_of_folder(tmp_path)


def test_labelme_files_that_hold_their_image(tmp_path: Path) -> None:
    WRITERS["labelme"](tmp_path, TWO)
    for file in tmp_path.glob("*.json"):
        content = json.loads(file.read_text())
        file.write_text(json.dumps({"imageData": "A" * 50_000, **content}))
    assert source_lines(tmp_path) == f"{{name: labelme, folder: {tmp_path}}}"


def test_cvats_colours_are_offered(tmp_path: Path) -> None:
    WRITERS["cvat"](tmp_path, TWO)
    file = tmp_path / "annotations.xml"
    meta = "<meta><label><name>dog</name><color>#0a0b0c</color></label></meta>"
    file.write_text(file.read_text().replace("<annotations>", f"<annotations>{meta}"))
    assert "colors: {dog: '#0a0b0c'}" in dataset_of_folder(tmp_path).recipe
    assert dataset_of_folder(tmp_path).task.classes == ("background", "dog", "car")


def test_the_folders_of_voc(tmp_path: Path) -> None:
    write_voc(tmp_path, ["background", "car"])
    found = dataset_of_folder(tmp_path)
    assert found.about == "detected the folders of PASCAL VOC; multiclass masks"
    assert found.task == Task("multiclass", ("background", "car"), 255)
    assert not found.problems
    assert "colors" not in found.recipe  # grey masks
    (tmp_path / "labelmap.txt").write_text("background:0,0,0::\ncar:1,1,1::\n")
    assert "colors: {background: '#000000', car: '#010101'}" in dataset_of_folder(tmp_path).recipe


def test_folders_of_masks_are_no_annotations(tmp_path: Path) -> None:
    write_images(tmp_path / "images", 3)
    write_images(tmp_path / "masks", 3)
    for name in ("a.json", "b.xml", "c.yaml"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(DataError, match="the masks are in colour"):
        dataset_of_folder(tmp_path)

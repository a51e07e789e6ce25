"""PASCAL VOC's folders: lists, values of classes, and the border that is ignored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segkit.core.errors import DataError, PartError
from segkit.core.registry import SOURCES
from segkit.core.types import Task
from segkit.parts.sources.voc import CLASSES
from tests.data.cases import SHAPE, names, palette, picture, save

ALL = Task("multiclass", CLASSES, 255)
COLOURS = [(0, 0, 0), (128, 0, 0), (0, 128, 0), *((n, 255 - n, 7) for n in range(3, 256))]
VALUES = np.zeros(SHAPE, np.uint8)
VALUES[2:9, 2:8], VALUES[3:8, 3:7], VALUES[10:] = 255, 15, 7  # a person with a border, above a car


def write(root: Path, lists: dict[str, str], values: np.ndarray = VALUES) -> Path:
    for name in "abc":
        save(root / f"JPEGImages/{name}.jpg", picture())
        (root / "SegmentationClass").mkdir(exist_ok=True)
        palette(values, COLOURS).save(root / f"SegmentationClass/{name}.png")
    save(root / "JPEGImages/unlisted.jpg", picture())
    (root / "ImageSets/Segmentation").mkdir(parents=True)
    for name, text in lists.items():
        (root / f"ImageSets/Segmentation/{name}.txt").write_text(text, encoding="utf-8")
    return root


def source(root: Path, task: Task = ALL, **options: Any) -> Any:
    return SOURCES.get("voc").factory(task, 3, root=root, **options)


def mask(root: Path, task: Task, **options: Any) -> np.ndarray:
    found: np.ndarray = source(root, task, **options).splits()["train"][0].read()[1]
    return found


def test_lists_are_splits_and_values_are_classes(tmp_path: Path) -> None:
    write(tmp_path, {"train": "a\nb\n", "val": "c\n", "trainval": "a\nb\nc\n"})
    splits = source(tmp_path).splits()
    assert {split: names(part) for split, part in splits.items()} == {"train": ["a", "b"], "val": ["c"]}
    np.testing.assert_array_equal(splits["train"][0].read()[1], VALUES)


@pytest.mark.parametrize("name", ["trainval", "default"])
def test_one_list_is_for_training(tmp_path: Path, name: str) -> None:
    write(tmp_path, {name: "a\n"})
    assert names(source(tmp_path).splits()["train"]) == ["a"]
    (tmp_path / f"ImageSets/Segmentation/{name}.txt").unlink()
    with pytest.raises(DataError, match=r"unlisted\.jpg: this image has no mask"):
        source(tmp_path).splits()
    (tmp_path / "JPEGImages/unlisted.jpg").unlink()
    assert names(source(tmp_path).splits()["train"]) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (Task("binary", ("person",), 255), {0: 0, 7: 0, 15: 1, 255: 255}),
        (Task("multiclass", ("background", "person", "car"), 254), {0: 0, 7: 2, 15: 1, 255: 254}),
        (
            Task(
                "multiclass",
                ("background", "thing"),
                255,
                (("thing", ("car", "bus")), ("ignore", ("person",))),
            ),
            {0: 0, 7: 1, 15: 255, 255: 255},
        ),
        (Task("binary", ("x",), 255, (("x", (7, 15)),)), {0: 0, 7: 1, 15: 1, 255: 255}),
    ],
)
def test_classes_are_named(tmp_path: Path, task: Task, expected: dict[int, int]) -> None:
    found = mask(write(tmp_path, {"train": "a\n"}), task, unlisted="background")
    np.testing.assert_array_equal(found, np.vectorize(expected.get)(VALUES))


def test_other_classes_and_names_are_refused(tmp_path: Path) -> None:
    write(tmp_path, {"train": "a\n"})
    with pytest.raises(PartError, match=r"data\.labels do not have aeroplane, .*, tvmonitor\n  try: add"):
        source(tmp_path, Task("binary", ("person",), 255))
    with pytest.raises(PartError, match="the data set has no persons\n  try: it has background, aeroplane, "):
        source(tmp_path, Task("binary", ("persons",), 255), unlisted="background")
    with pytest.raises(PartError, match="voc has one class per pixel\n"):
        source(tmp_path, Task("multilabel", ("person",)))
    with pytest.raises(PartError, match="unlisted: ignore needs a value to ignore"):
        source(tmp_path, Task("binary", ("person",)), unlisted="ignore")
    ignoring = mask(tmp_path, Task("binary", ("person",), 255), unlisted="ignore")
    np.testing.assert_array_equal(ignoring, np.vectorize({0: 0, 7: 255, 15: 1, 255: 255}.get)(VALUES))


def test_files_that_name_classes(tmp_path: Path) -> None:
    write(tmp_path, {"train": "a\n"}, VALUES % 253 % 5)  # 255 becomes 2, 15 becomes 0, 7 becomes 2
    (tmp_path / "class_names.txt").write_text("_background_\nroad\ncar\n", encoding="utf-8")
    assert set(np.unique(mask(tmp_path, Task("binary", ("car",)), unlisted="background")).tolist()) == {0, 1}
    text = "# label:color_rgb:parts:actions\nbackground:0,0,0::\nroad:128,0,0::\ncar:0,128,0::\n"
    (tmp_path / "labelmap.txt").write_text(text, encoding="utf-8")
    found = mask(tmp_path, Task("multiclass", ("background", "road", "car")))
    np.testing.assert_array_equal(found, VALUES % 253 % 5)
    (tmp_path / "labelmap.txt").write_text("road\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"labelmap\.txt: there is no colour in 'road'\n  try: a line"):
        source(tmp_path)

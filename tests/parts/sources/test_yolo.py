"""YOLO data sets: where images and labels are found, and what is said of faults."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segkit.core.errors import DataError, PartError
from segkit.core.registry import SOURCES
from segkit.core.types import Task
from segkit.data.source_scan import scan_source
from tests.data.cases import names, picture, save

HEIGHT, WIDTH = 20, 30
BINARY = Task("binary", ("foreground",))
CLASSES = Task("multiclass", ("ground", "car", "dog"))
TRIANGLE = "0 0.2 0.2 0.8 0.2 0.2 0.8\n"


def write(
    root: Path, yaml: str, images: tuple[str, ...] = ("images/a", "images/b"), labels: str = TRIANGLE
) -> Path:
    """A data.yaml and images; all but the last one have labels, beside them as YOLO wants them."""
    for number, image in enumerate(images):
        save(root / f"{image}.png", picture(HEIGHT, WIDTH) + np.uint8(number))
        if image != images[-1]:
            file = root / (
                f"{'labels'.join(image.rsplit('images', 1))}.txt" if "images/" in image else f"{image}.txt"
            )
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(labels, encoding="utf-8")
    file = root / "data.yaml"
    file.write_text(yaml, encoding="utf-8")
    return file


def source(
    root: Path, yaml: str = "train: images\nnames: [car, dog]\n", task: Task = BINARY, **options: Any
) -> Any:
    return SOURCES.get("yolo").factory(task, 3, file=write(root, yaml, **options))


def problems(root: Path, *arguments: Any, **options: Any) -> list[str]:
    with pytest.raises(DataError) as error:
        source(root, *arguments, **options).splits()
    return str(error.value).replace(f"{root}/", "").splitlines()


def test_polygons_are_painted_at_the_image_s_size_and_no_file_means_background(tmp_path: Path) -> None:
    lines = TRIANGLE + "\n1 0.5 0.5 1 0.5 1.005 1 0.5 1\n"
    first, second = source(tmp_path, task=CLASSES, labels=lines).splits()["train"]
    assert (first.name, second.name) == ("a", "b")
    assert first.files == (tmp_path / "images/a.png", tmp_path / "labels/a.txt")
    assert second.files == (tmp_path / "images/b.png",)
    mask = first.read()[1]
    assert mask.shape == (HEIGHT, WIDTH)
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    for row in range(4, 16):  # x from 6 to 24, which shrinks to 6 at row 16
        expected[row, 6 : 6 + round(18 * (16 - row - 0.5) / 12)] = 1
    expected[10:, 15:] = 2
    assert (mask != expected).sum() <= 6  # along the slanting side
    np.testing.assert_array_equal(mask[10:, 15:], expected[10:, 15:])
    assert not second.read()[1].any()


@pytest.mark.parametrize(
    ("yaml", "images", "expected"),
    [
        ("train: images/train\nval: images/val\nnames: {0: car}", ("images/train/a", "images/val/b"), "a b"),
        (
            "path: .\ntrain: train/images\nval: val/images\nnames: [car]",
            ("train/images/a", "val/images/b"),
            "a b",
        ),
        ("path: sets/x\ntrain: images\nnames: [car]", ("sets/x/images/p/a", "sets/x/images/b"), "b p/a"),
        ("path: ../datasets/x\ntrain: images\nnames: [car]", ("images/a", "images/b"), "a b"),
        (
            "train: ../train/images\nval: ../valid/images\nnames: [car]",
            ("train/images/a", "valid/images/b"),
            "a b",
        ),
        ("train: \\train\\images\ntest: \\none\nnames: [car]", ("train/images/a", "train/images/b"), "a b"),
        ("train: [one, two]\nnames: [car]", ("one/a", "two/b"), "a b"),
        ("train: list.txt\nnames: [car]", ("images/a", "images/b"), "a b"),
        ("train: images/images\nnames: [car]", ("images/images/a", "images/images/b"), "a b"),
    ],
)
def test_places_are_relative_to_the_yaml(
    tmp_path: Path, yaml: str, images: tuple[str, ...], expected: str
) -> None:
    (tmp_path / "list.txt").write_text("./images/a.png\n\nimages/b.png\n", encoding="utf-8")
    splits = source(tmp_path, yaml, images=images).splits()
    assert " ".join(names([sample for part in splits.values() for sample in part])) == expected
    assert sum(len(sample.files) == 2 for part in splits.values() for sample in part) == 1
    assert list(splits) == (["train", "val"] if "val:" in yaml else ["train"])


LINE = "  try: a line is a class number and at least three corners, x y x y x y"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (
            TRIANGLE + "0 0.5 0.5 0.2 0.2",
            [
                "labels/a.txt:2: this is a box (a class and 4 numbers), not an outline",
                "  try: outline the objects; a box does not say which pixels belong to them",
            ],
        ),
        ("0 0.5 0.5", ["labels/a.txt:1: this line has 3 numbers", LINE]),
        ("0 0 0 1 0 1 1 0", ["labels/a.txt:1: this line has 8 numbers", LINE]),
        ("car 0 0 1 0 1 1", ["labels/a.txt:1: this line holds other than numbers", LINE]),
        (
            "0.5 0 0 1 0 1 1\n7 0 0 1 0 1 1",
            [
                "labels/a.txt:1: there is no class 0.5 in names of the data.yaml",
                "  try: add it there",
                "labels/a.txt:2: there is no class 7 in names of the data.yaml",
                "  try: add it there",
            ],
        ),
        (
            "0 0 0 30 0 30 20",
            [
                "labels/a.txt:1: a corner is not a fraction from 0 to 1",
                "  try: divide x by the width and y by the height of the image",
            ],
        ),
        (
            "0 0 0 nan 0 1 1",
            [
                "labels/a.txt:1: a corner is not a fraction from 0 to 1",
                "  try: divide x by the width and y by the height of the image",
            ],
        ),
    ],
)
def test_faulty_lines_are_named(tmp_path: Path, labels: str, expected: list[str]) -> None:
    assert problems(tmp_path, labels=labels) == expected


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [
        ("names: [car]", ["data.yaml: there is no train", "  try: a data.yaml has names, train and val"]),
        ("train: images", ["data.yaml: there is no names", "  try: a data.yaml has names, train and val"]),
        ("train: 5\nnames: [a]", "data.yaml: the file is damaged: train.str: input should be a valid string"),
        ("train: &a images\nval: *a", "data.yaml: the file is damaged: it is not plain YAML (an alias)"),
        ("train: none\nnames: [car]", ["none: there is no such folder"]),
        (
            "train: l.txt\nnames: [car]",
            [
                "l.txt:2: there is no image c.png",
                "  try: paths are relative to the folder of the list",
            ],
        ),
        (
            "train: [one, two]\nnames: [car]",
            ["data.yaml: two images are called a: one/a.png and two/a.png", "  try: rename one of them"],
        ),
        (
            "train: bare\nnames: [car]",
            [
                "data.yaml: no image has a label file",
                "  try: the labels of bare/c.png belong into bare/c.txt",
            ],
        ),
        (
            "train: images\nnames: [truck]",
            [
                "labels/a.txt: data.classes and data.labels do not have the names of these objects: truck",
                "  try: data.labels adds them to classes or ignores them, as in ignore: [truck]; "
                "data.source.unlisted: background leaves them out",
            ],
        ),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, yaml: str, expected: list[str] | str) -> None:
    (tmp_path / "l.txt").write_text("images/a.png\nc.png\n", encoding="utf-8")
    for name in ("one/a", "two/a", "bare/c"):
        save(tmp_path / f"{name}.png", picture(HEIGHT, WIDTH))
    found = problems(tmp_path, yaml, CLASSES)
    assert found == expected if isinstance(expected, list) else found[0] == expected


def test_images_that_are_not_read_are_named(tmp_path: Path) -> None:
    write(tmp_path, "")
    (tmp_path / "images/c.dcm").touch()
    scan = scan_source(source(tmp_path))
    assert len(scan.splits["train"]) == 2
    assert len(scan.problems) == 1
    assert not scan.warnings
    scan = scan_source(source(tmp_path, "train: images\ntest: none\nnames: [car]"))
    assert [problem.problem for problem in scan.warnings] == ["there is no test split in none"]
    with pytest.raises(PartError, match="unlisted: ignore needs a value to ignore"):
        SOURCES.get("yolo").factory(BINARY, 3, file=tmp_path / "data.yaml", unlisted="ignore")


def test_changed_names_and_labels_change_the_digest(tmp_path: Path) -> None:
    yamls = [f"train: images\nnames: [{one}, {two}]\n" for one, two in (("car", "dog"), ("dog", "car"))]
    digests = [source(tmp_path, yaml, CLASSES).splits()["train"][0].outlines for yaml in yamls]
    digests.append(source(tmp_path, yamls[0], CLASSES, labels=TRIANGLE * 2).splits()["train"][0].outlines)
    assert len({*digests}) == 3


def test_bytes_that_are_changed_give_a_mask_or_an_error(tmp_path: Path) -> None:
    made = source(tmp_path, labels=TRIANGLE)
    rng = random.Random(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray((TRIANGLE * 2).encode())
        for _ in range(rng.choice([1, 3])):
            at = rng.randrange(len(damaged))
            damaged[at : at + rng.choice([0, 1, 9])] = rng.choice(
                [b"", b" ", b"-", b"9", b"\xff", b"\0", b"\n"]
            )
        (tmp_path / "labels/a.txt").write_bytes(damaged)
        try:
            made.splits()["train"][0].read()
        except DataError:
            refused += 1
    assert refused > 100

"""labelme's JSON files: shapes, images, and what is said of faults."""

from __future__ import annotations

import json
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
SQUARE = {"label": "car", "points": [[2, 2], [12, 2], [12, 12], [2, 12]], "shape_type": "polygon"}


def shape(kind: str, points: list[list[float]], label: str = "car") -> dict[str, Any]:
    return {"label": label, "points": points, "shape_type": kind, "group_id": None, "flags": {}}


def write(root: Path, *shapes: dict[str, Any], name: str = "a", **more: Any) -> Path:
    save(root / f"{name}.png", picture(HEIGHT, WIDTH))
    data = {
        "version": "5.0",
        "flags": {},
        "shapes": [*shapes],
        "imagePath": f"{Path(name).name}.png",
        "imageData": None,
    }
    file = root / f"{name}.json"
    file.write_text(
        json.dumps({**data, "imageHeight": HEIGHT, "imageWidth": WIDTH, **more}), encoding="utf-8"
    )
    return file


def source(root: Path, task: Task = BINARY, **options: Any) -> Any:
    return SOURCES.get("labelme").factory(task, 3, folder=root, **options)


def problems(root: Path, task: Task = BINARY) -> list[str]:
    with pytest.raises(DataError) as error:
        source(root, task).splits()["train"][0].read()
    return str(error.value).replace(f"{root}/", "").replace(f"{root}: ", "").splitlines()


def test_polygons_rectangles_and_circles(tmp_path: Path) -> None:
    circle = shape("circle", [[20, 10], [20, 15]], "dog")
    old = {"label": "car", "points": SQUARE["points"]}  # as versions before 3 write it
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[2:12, 2:12] = 1
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    expected[(rows - 10) ** 2 + (columns - 20) ** 2 < 25] = 2
    for square in (SQUARE, old, shape("rectangle", [[12, 2], [2, 12]])):
        write(tmp_path, square, circle)
        (sample,) = source(tmp_path, Task("multiclass", ("ground", "car", "dog"))).splits()["train"]
        assert sample.files == (tmp_path / "a.png", tmp_path / "a.json")
        assert (sample.read()[1] != expected).sum() <= 4  # along the circle


def test_subfolders_are_splits_and_images_without_a_file_are_a_warning(tmp_path: Path) -> None:
    for name in ("train/a", "train/p/b", "valid/a"):
        write(tmp_path, SQUARE, name=name)
    save(tmp_path / "train/c.png", picture(HEIGHT, WIDTH))
    (tmp_path / "info.json").write_text("[]", encoding="utf-8")  # another program's
    scan = scan_source(source(tmp_path))
    assert {split: names(part) for split, part in scan.splits.items()} == {
        "train": ["a", "p/b"],
        "val": ["a"],
    }
    assert [problem.problem for problem in scan.warnings] == ["1 image has no JSON file, not used: c.png"]
    (tmp_path / "train/c.json").write_text('{"shapes": [', encoding="utf-8")
    assert not scan_source(source(tmp_path)).warnings  # a damaged file is an error
    (tmp_path / "train/c.json").unlink()
    write(tmp_path, SQUARE, name="new/d")
    assert problems(tmp_path) == ["d.json: not in any split", "  try: move them into the folder of a split"]
    with pytest.raises(PartError, match="unlisted: ignore needs a value to ignore"):
        source(tmp_path, unlisted="ignore")


@pytest.mark.parametrize(
    "written", ["..\\images\\a.png", "../images/a.png", "C:\\Users\\me\\a.png", None, ""]
)
def test_images_are_found_beside_the_file_or_where_it_says(tmp_path: Path, written: str | None) -> None:
    write(tmp_path, SQUARE, imagePath=written, imageHeight=None, imageWidth=None)
    if written and ".." in written:
        (tmp_path / "images").mkdir()
        (tmp_path / "json").mkdir()
        (tmp_path / "a.png").rename(tmp_path / "images/a.png")
        (tmp_path / "a.json").rename(tmp_path / "json/a.json")
    (sample,) = source(tmp_path).splits()["train"]
    assert sample.name == ("json/a" if written and ".." in written else "a")
    assert sample.read()[1].sum() == 100


@pytest.mark.parametrize("kind", ["point", "line", "linestrip", "points", "mask"])
def test_other_shapes_are_refused_by_name(tmp_path: Path, kind: str) -> None:
    write(tmp_path, SQUARE, shape(kind, [[1, 1]]))
    assert problems(tmp_path) == [
        f"a.json: shapes[1], a {kind} labelled 'car': a {kind} is not an outline",
        "  try: outline it as a polygon, rectangle or circle, or remove it",
    ]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"shapes": [shape("polygon", [[1, 1], [2, 2]])]},
            [
                "shapes[0], a polygon labelled 'car': it has 2 points",
                "  try: draw it again: 3 points, or remove it",
            ],
        ),
        (
            {"shapes": [shape("circle", [[1, 1]])]},
            [
                "shapes[0], a circle labelled 'car': it has 1 points",
                "  try: draw it again: 2 points, or remove it",
            ],
        ),
        (
            {"imageHeight": 99},
            [
                "it was outlined on 30x99 pixels, and has 30x20",
                "  try: was it resized or rotated afterwards? The image is a.png",
            ],
        ),
        (
            {"imagePath": "b.png", "imageData": "iVBOR"},
            [
                "there is no image b.png",
                "  try: put the image beside its JSON file; the copy of it inside the JSON file is not read",
            ],
        ),
        (
            {"shapes": [{"label": "car", "points": [[1, 2, 3]]}]},
            [
                "the file is damaged: shapes.0.points.0: tuple should have at most 2 items after validation, "
                "not 3",
                "  try: a JSON file of labelme has shapes; move other files out of the folder",
            ],
        ),
        (
            {"shapes": None},
            [
                "the file is damaged: shapes: input should be a valid list",
                "  try: a JSON file of labelme has shapes; move other files out of the folder",
            ],
        ),
        (
            {"shapes": [shape("polygon", [[0, 0], [1, 1], [1e9, 5]])]},
            [
                "shapes[0], a polygon labelled 'car': a corner of its polygon is more than 16,777,216 pixels "
                "away"
            ],
        ),
    ],
)
def test_faults_are_named_with_file_and_shape(
    tmp_path: Path, change: dict[str, Any], expected: list[str]
) -> None:
    write(tmp_path, SQUARE, **change)
    if "imagePath" in change:
        (tmp_path / "a.png").unlink()
    found = problems(tmp_path)
    assert found == [f"a.json: {expected[0]}", *expected[1:]]


def test_names_that_the_recipe_does_not_list_are_an_error(tmp_path: Path) -> None:
    write(tmp_path, SQUARE, shape("rectangle", [[1, 1], [2, 2]], "dog"))
    task = Task("binary", ("vehicle",), 255, (("vehicle", ("car", "truck")),))
    assert problems(tmp_path, task) == [
        "a.json: data.classes and data.labels do not have the names of these objects: dog",
        "  try: data.labels adds them to classes or ignores them, as in ignore: [dog]; "
        "data.source.unlisted: background leaves them out",
    ]
    ignoring = Task("binary", ("vehicle",), 255, (*(task.labels or ()), ("ignore", ("dog",))))
    mask = source(tmp_path, ignoring).splits()["train"][0].read()[1]
    assert mask.tolist()[1][:3] == [0, 255, 0]

"""CVAT's XML: shapes, layers, subsets, and what is said of faults."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segkit.core.errors import DataError
from segkit.core.registry import SOURCES
from segkit.core.types import Task
from segkit.data.source_scan import scan_source
from segkit.parts.sources.cvat import read_files
from tests.data.cases import names, picture, save

HEIGHT, WIDTH = 20, 30
CLASSES = Task("multiclass", ("ground", "car", "dog"))
META = """<meta><task><owner><username>me</username></owner><labels>
<label><name>car</name><color>#FF0000</color><attributes><attribute><name>x</name></attribute></attributes>
</label><label><name>dog</name><color>#00ff00</color></label></labels></task></meta>"""
SQUARE = '<polygon label="car" points="2,2;12,2;12,12;2,12" z_order="{}"><attribute name="x"/></polygon>'
BOX = '<box label="dog" xtl="6" ytl="2" xbr="16" ybr="12" z_order="1"/>'


def image(shapes: str, name: str = "a.png", more: str = "") -> str:
    return f'<image id="0" name="{name}" width="{WIDTH}" height="{HEIGHT}" {more}>\n{shapes}\n</image>'


def source(root: Path, *images: str, task: Task = CLASSES, text: str = "") -> Any:
    for number, name in enumerate(("a", "sub/b")):
        save(root / f"images/{name}.png", picture(HEIGHT, WIDTH) + np.uint8(number))
    file = root / "annotations.xml"
    file.write_text(
        text or f'<?xml version="1.0"?>\n<annotations>{META}{"".join(images)}</annotations>', "utf-8"
    )
    return SOURCES.get("cvat").factory(task, 3, file=file, images=root / "images")


def mask(root: Path, *images: str) -> np.ndarray:
    found: np.ndarray = source(root, *images).splits()["train"][0].read()[1]
    return found


def problems(root: Path, *images: str, text: str = "") -> list[str]:
    with pytest.raises(DataError) as error:
        source(root, *images, text=text).splits()["train"][0].read()
    return str(error.value).replace(f"{root}/", "").splitlines()


def filled(left: int, right: int, value: int) -> np.ndarray:
    values = np.zeros((HEIGHT, WIDTH), np.uint8)
    values[2:12, left:right] = value
    return values


@pytest.mark.parametrize("layer", [0, 2])
def test_shapes_lie_in_their_layers(tmp_path: Path, layer: int) -> None:
    found = mask(tmp_path, image(BOX + SQUARE.format(layer)))
    square, box = filled(2, 12, 1), filled(6, 16, 2)
    np.testing.assert_array_equal(
        found, np.where(square, square, box) if layer else np.where(box, box, square)
    )


def test_masks_count_rows_inside_a_box(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for left, top, width, height in ((3, 2, 7, 5), (0, 0, WIDTH, HEIGHT), (29, 19, 1, 1), (10, 0, 4, HEIGHT)):
        bits = rng.integers(0, 2, (height, width))
        changes = np.flatnonzero(np.diff(bits.ravel(), prepend=0))
        rle = ", ".join(map(str, np.diff(changes, prepend=0, append=bits.size).tolist()))
        shape = f'<mask label="dog" rle="{rle}" left="{left}" top="{top}" width="{width}" height="{height}"/>'
        expected = np.zeros((HEIGHT, WIDTH), np.uint8)
        expected[top : top + height, left : left + width] = 2 * bits
        np.testing.assert_array_equal(mask(tmp_path, image(shape)), expected)


def test_boxes_and_ellipses_may_be_rotated(tmp_path: Path) -> None:
    box = '<box label="car" xtl="10" ytl="8" xbr="20" ybr="12" rotation="90.0"/>'
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[5:15, 13:17] = 1
    np.testing.assert_array_equal(mask(tmp_path, image(box)), expected)
    ellipse = '<ellipse label="car" cx="15" cy="10" rx="9" ry="3" rotation="{}"/>'
    lying, standing = (mask(tmp_path, image(ellipse.format(degrees))) for degrees in (0, 90))
    assert [int(values.any(axis=0).sum()) for values in (lying, standing)] == [18, 6]
    # Clockwise: what lay to the right lies below.
    slanting = mask(tmp_path, image(ellipse.format(30)))
    assert slanting[12, 20] == 1
    assert slanting[12, 10] == 0


def test_subsets_labels_and_colours(tmp_path: Path) -> None:
    texts = [image(SQUARE.format(0), more='subset="Train"'), image("", "sub\\b.png", 'subset="Validation"')]
    made = source(tmp_path, *texts)
    save(tmp_path / "images/c.png", picture(HEIGHT, WIDTH))
    scan = scan_source(made)
    assert {split: names(part) for split, part in scan.splits.items()} == {"train": ["a"], "val": ["sub/b"]}
    assert len(scan.warnings) == 1
    data = read_files(tmp_path / "annotations.xml", tmp_path / "images")
    assert data.used_names == ["car"]
    assert data.colors == {"car": "#ff0000", "dog": "#00ff00"}


def test_projects_have_a_folder_for_each_subset(tmp_path: Path) -> None:
    made = source(tmp_path, *(image(SQUARE.format(0), more=f'subset="{name}"') for name in ("Train", "Test")))
    (tmp_path / "images/a.png").unlink()
    for name in ("Train", "Test"):
        save(tmp_path / f"images/{name}/a.png", picture(HEIGHT, WIDTH))
    found = made.splits()
    assert [part[0].files[0].parent.name for part in found.values()] == ["Train", "Test"]


@pytest.mark.parametrize(
    ("shape", "problem"),
    [
        ('<polyline label="car" points="1,1;2,2"/>', "polyline of a.png: 'polyline' is not an outline"),
        ('<polygon label="car" points="1,1;2,2"/>', "polygon of a.png: a polygon needs three corners"),
        (
            '<polygon label="car" points="1,1;2,2;3,x"/>',
            "polygon of a.png: could not convert string to float: 'x'",
        ),
        ('<polygon points="1,1;2,2;3,1"/>', "polygon of a.png: 'label' is missing"),
        (
            '<mask label="car" rle="1,1" left="0" top="0" width="2" height="2"/>',
            "mask of a.png: its run-length code",
        ),
        (
            '<mask label="car" rle="4" left="29" top="0" width="2" height="2"/>',
            "mask of a.png: its box 29,0,2,2 is",
        ),
    ],
)
def test_shapes_that_are_no_outlines_are_named_with_their_line(
    tmp_path: Path, shape: str, problem: str
) -> None:
    found = problems(tmp_path, image(shape))
    assert found[0].startswith(f"annotations.xml:5: this {problem}")
    assert found[1] == "  try: draw it again, or remove it"


def test_faults_of_images_and_files(tmp_path: Path) -> None:
    assert problems(tmp_path, image("", "c.png"), image("", more='subset="new"')) == [
        "annotations.xml:6: c.png: not in the folder images",
        "  try: data.source.images is the folder that the names in the file are relative to",
        "annotations.xml:8: a.png: the subset 'new' is no split",
        "  try: call it Train, Validation or Test",
    ]
    assert problems(tmp_path, image("").replace(f'width="{WIDTH}"', "")) == [
        "annotations.xml:6: a.png: it has no width and height",
        "  try: export it again from CVAT",
    ]
    assert problems(tmp_path, image("").replace(f'"{WIDTH}"', '"9"')) == [
        "annotations.xml: a.png: it was outlined on 9x20 pixels, and has 30x20",
        "  try: was it resized or rotated afterwards? The image is images/a.png",
    ]
    hint = "  try: export the task in the format 'CVAT for images 1.1'"
    assert problems(tmp_path) == ["annotations.xml: no images are listed", hint]
    assert problems(tmp_path, text="<a>") == [
        "annotations.xml: the file is damaged: no element found: line 1, column 3",
        "  try: export it again from CVAT",
    ]
    bomb = '<!DOCTYPE a [<!ENTITY b "bb">]><annotations>&b;</annotations>'
    assert problems(tmp_path, text=bomb)[0] == (
        "annotations.xml: the file is damaged: it declares a document type, which may expand to billions of "
        "characters"
    )


def test_bytes_that_are_changed_give_a_mask_or_an_error(tmp_path: Path) -> None:
    shape = '<mask label="dog" rle="1,2,1" left="0" top="0" width="2" height="2"/>'
    made = source(tmp_path, image(SQUARE.format(0) + BOX + shape))
    file = tmp_path / "annotations.xml"
    text = file.read_bytes()
    rng = random.Random(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(text)
        for _ in range(rng.choice([1, 3])):
            at = rng.randrange(400, len(damaged))
            damaged[at : at + rng.choice([0, 1, 9])] = rng.choice(
                [b"", b"9", b"-", b";", b'"', b"\xff", b"e9", b"<"]
            )
        file.write_bytes(damaged)
        try:
            made.splits()["train"][0].read()
        except DataError:
            refused += 1
    assert refused > 100

"""A CSV file of images and masks: what it may say, and the line of what it may not."""

from dataclasses import replace
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest

from segkit.core.errors import DataError, PartError
from segkit.core.registry import SOURCES
from tests.data.cases import BINARY, HALF, MULTILABEL, names, picture, save, save_pair

EMPTY = "  try: fill it in, or remove the row"


@pytest.fixture
def root(tmp_path):
    for name in ("a", "b"):
        save_pair(tmp_path / f"images/{name}.png", tmp_path / f"masks/{name}.png")
    return tmp_path


def splits(root: Path, text: str | bytes, task=BINARY, **options):
    (root / "data.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return SOURCES.get("manifest").factory(task, 3, file=root / "data.csv", **options).splits()


def problems(root: Path, text: str | bytes, task=BINARY) -> list[str]:
    with pytest.raises(DataError) as error:
        splits(root, text, task)
    return str(error.value).replace(f"{root}/", "").splitlines()


def test_manifest_without_splits_is_all_for_training(root):
    found = splits(
        root, f"image,mask,note\nimages/b.png,masks/b.png,x\n\n{root}/images/a.png, masks/a.png,\n"
    )
    assert names(found["train"]) == ["images/b", f"{root}/images/a"]
    image, mask = found["train"][1].read()
    np.testing.assert_array_equal(image, picture())
    np.testing.assert_array_equal(mask, HALF)


@pytest.mark.parametrize(("written", "stored"), [("NFC", "NFD"), ("NFD", "NFC")])
@pytest.mark.parametrize("task", [BINARY, MULTILABEL])
def test_a_name_may_be_composed_in_the_file_and_decomposed_on_the_disk(tmp_path, written, stored, task):
    name = {form: normalize(form, "Jürgen/Müller") for form in (written, stored)}
    save_pair(tmp_path / f"images/{name[stored]}.png", tmp_path / f"masks/{name[stored]}.png")
    row = f"images/{name[written]}.png,masks/{name[written]}.png{'' if task is BINARY else ','}\n"
    header = "image,mask\n" if task is BINARY else "image,mask_lesion,mask_hair\n"
    (sample,) = splits(tmp_path, header + row, task)["train"]
    assert sample.name == normalize("NFC", "images/Jürgen/Müller")
    assert sample.files == tuple(tmp_path / f"{kind}/{name[stored]}.png" for kind in ("images", "masks"))
    again = row.replace(name[written], name[stored])
    assert "is listed twice (first on line 2)" in problems(tmp_path, header + row + again, task)[0]


@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_manifest_divides_by_the_column_split(root, start, end):
    rows = ["split,image,mask", "test,images/b.png,masks/b.png", "train,images/a.png,masks/a.png", ""]
    found = splits(root, start + end.join(rows))
    assert {split: names(samples) for split, samples in found.items()} == {
        "test": ["images/b"],
        "train": ["images/a"],
    }


def test_multilabel_manifest_has_a_column_for_each_class(root):
    found = splits(root, "image,mask_hair,mask_lesion\nimages/a.png,,masks/a.png\n", MULTILABEL)
    (sample,) = found["train"]
    image, mask = sample.read()
    np.testing.assert_array_equal(mask, np.stack([HALF, 0 * HALF], axis=-1))
    assert image.shape == (*HALF.shape, 3)
    assert sample.files == (root / "images/a.png", root / "masks/a.png")


def test_multilabel_masks_that_are_wrong_are_reported_together(root):
    save(root / "masks/small.png", HALF[:5])
    save(root / "masks/many.png", picture()[..., 0])
    found = splits(
        root, "image,mask_lesion,mask_hair\nimages/a.png,masks/small.png,masks/many.png\n", MULTILABEL
    )
    message = r"small\.png: the mask is 10x5 pixels, its image 10x12\n.*a\.png\n.*many\.png: a binary"
    with pytest.raises(DataError, match=message):
        found["train"][0].read()


def test_multilabel_manifest_takes_no_colours(root):
    with pytest.raises(PartError, match=r"one binary mask per class\n  try: leave out data.source.colours"):
        splits(root, "", MULTILABEL, colours={"lesion": "#ff0000"})


def test_every_problem_is_reported_with_its_line(root):
    text = (
        "image,mask,split\n"
        "images/a.png,masks/a.png,train\n"
        "images/none.png,masks/none.png,dev\n"
        "\n"
        "images/b.png,,\n"
        "images/a.png,masks/b.png,test\n"
        ",masks/b.png,test\n"
    )
    assert problems(root, text) == [
        "data.csv:3: the split 'dev' is unknown",
        "  try: one of train, val, test",
        "data.csv:3: there is no image images/none.png",
        "  try: paths are relative to the folder of the CSV file",
        "data.csv:3: there is no mask masks/none.png",
        "  try: paths are relative to the folder of the CSV file",
        "data.csv:5: the split '' is unknown",
        "  try: one of train, val, test",
        "data.csv:5: the column mask is empty",
        EMPTY,
        "data.csv:6: 'images/a' is listed twice (first on line 2)",
        "  try: keep one of them",
        "data.csv:7: the column image is empty",
        EMPTY,
    ]


@pytest.mark.posix("links need a privilege there")
def test_an_image_that_cannot_be_read_says_why(root):
    (root / "images/c.png").symlink_to("/nowhere/c.png")
    (root / "images/d.png.dvc").write_text("outs:", encoding="utf-8")
    (root / "masks/b.png").write_text("/annex/objects/SHA256E-s9--1.png", encoding="utf-8")
    (root / "images/e.jxl").touch()
    rows = [("c", "a"), ("d", "a"), ("b", "b"), ("e", "a")]
    paths = [f"images/{image}.{'jxl' if image == 'e' else 'png'},masks/{mask}.png\n" for image, mask in rows]
    assert problems(root, "image,mask\n" + "".join(paths))[::2] == [
        "data.csv:2: this is a link to /nowhere/c.png, which does not exist: images/c.png",
        "data.csv:3: this is a placeholder of DVC, not the data itself: images/d.png",
        "data.csv:4: this is a placeholder of git-annex, not the data itself: masks/b.png",
        "data.csv:5: JXL files are not read: images/e.jxl",
    ]


def test_missing_mask_of_a_class_is_named_by_class(root):
    text = "image,mask_lesion,mask_hair\nimages/a.png,masks/x.png,\n"
    assert problems(root, text, MULTILABEL)[0] == "data.csv:2: there is no mask of lesion masks/x.png"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("image|mask\n", "the first line must name the columns; found image|mask"),
        ("picture,mask_a\n", "the first line must name the columns; found picture, mask_a"),
        ("", "the first line must name the columns; found nothing"),
    ],
)
def test_missing_columns_are_named(root, text, told):
    assert problems(root, text) == ["data.csv:1: there is no column image, mask", f"  try: {told}"]


def test_missing_column_of_a_class_is_named(root):
    told = [
        "data.csv:1: there is no column mask_hair",
        "  try: the first line must name the columns; found image, mask_lesion",
    ]
    assert problems(root, "image,mask_lesion\n", MULTILABEL) == told


def test_row_of_too_many_cells_is_refused(root):
    text = "image,mask\nimages/a.png,masks/a.png\nimages/b, large.png,masks/b.png\n"
    assert problems(root, text) == [
        "data.csv:3: this row has more cells than the 2 columns",
        "  try: quote commas",
    ]


def test_file_that_is_no_text_is_refused(root):
    text = "image,mask\nimages/ä.png,masks/ä.png\n"
    for content, line in ((text.encode("latin-1"), 2), (text.encode("utf-16-le"), 2), (b"\xff\xfea", 1)):
        assert problems(root, content) == [
            f"data.csv:{line}: this is not UTF-8 text",
            "  try: save it as UTF-8; a spreadsheet calls it CSV UTF-8",
        ]
    with pytest.raises(DataError, match=r"none\.csv: there is no such file"):
        SOURCES.get("manifest").factory(BINARY, 3, file=root / "none.csv").splits()


def test_quoting_that_never_ends_is_refused(root):
    assert problems(root, 'image,mask\n"images/a.png,masks/a.png\n') == [
        "data.csv: the file cannot be read: unexpected end of data"
    ]


@pytest.mark.parametrize("cell", [".", "/", "..", "a\0b", "~", "images"])
def test_cell_that_names_no_file_is_told(root, cell):
    told = problems(root, f"image,mask\n{cell},masks/a.png\n")
    assert told[0].startswith("data.csv:2: there is no image ")


@pytest.mark.posix("links need a privilege there")
def test_file_that_never_ends_is_refused(root):
    (root / "zero").symlink_to("/dev/zero")
    with pytest.raises(DataError, match=r"zero: this is not a regular file of at most 400,000,000 bytes"):
        SOURCES.get("manifest").factory(BINARY, 3, file=root / "zero").splits()


def test_multilabel_masks_of_one_file_are_read_by_the_labels_of_each_class(root):
    save(root / "masks/both.png", np.where(HALF, 4, 7).astype(np.uint8))
    task = replace(MULTILABEL, labels=(("lesion", (4,)), ("hair", (7,))))
    row = "image,mask_lesion,mask_hair\nimages/a.png,masks/both.png,masks/both.png\n"
    _, mask = splits(root, row, task)["train"][0].read()
    np.testing.assert_array_equal(mask, np.stack([HALF, 1 - HALF], axis=-1))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_spreadsheets_of_all_kinds_are_understood(root, separator, encoding):
    """Separators, byte order marks, line ends and backslashes; other columns are kept."""
    rows = [["image", "mask", "split", "patient"], ["images\\a.png", ".\\masks\\a.png", "Valid", "p 1"],
            ["images/b.png", "masks\\b.png", "training", ""]]  # fmt: skip
    text = "\r\n".join(separator.join(row) for row in rows) + "\r\n"
    found = splits(root, text.encode(encoding))
    assert {split: names(samples) for split, samples in found.items()} == {
        "val": ["images/a"], "train": ["images/b"],
    }  # fmt: skip
    assert [sample.columns for (sample,) in found.values()] == [{"patient": "p 1"}, None]
    np.testing.assert_array_equal(found["val"][0].read()[1], HALF)


@pytest.mark.posix("a backslash separates folders there")
def test_a_backslash_may_be_part_of_a_name(root):
    save_pair(root / "images/a\\b.png", root / "masks/a\\b.png")
    (sample,) = splits(root, "image,mask\nimages/a\\b.png,masks/a\\b.png\n")["train"]
    assert sample.files[0] == root / "images/a\\b.png"

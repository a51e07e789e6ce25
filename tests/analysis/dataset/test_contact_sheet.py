"""The contact sheet: suspects of every kind, whatever they are called, written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from segkit.analysis.dataset import (
    CheckResult,
    Dataset,
    Finding,
    check_dataset,
    dataset_of_folder,
    write_contact_sheet,
)
from segkit.analysis.dataset.contact_sheet import COLUMNS, GAP, MAX_TILES, TEXT, TILE, draw_contact_sheet
from segkit.core.errors import SegkitError
from segkit.core.types import Sample, Task
from segkit.data.images import read_image
from tests.analysis.dataset.cases import BINARY, blob, opened, pairs, picture, save

LINE = (255, 64, 129)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    pairs(tmp_path / "data", range(6))
    return tmp_path / "data"


def tile(sheet: Image.Image, number: int) -> np.ndarray:
    left = GAP + number % COLUMNS * (TILE + GAP)
    top = GAP + number // COLUMNS * (TILE + TEXT + GAP)
    return np.asarray(sheet.crop((left, top, left + TILE, top + TILE)))


def test_suspects_are_drawn_with_the_outline_of_their_masks(root: Path, tmp_path: Path) -> None:
    save(root / "masks/3.png", 255 - blob(3))
    (root / "images/4.png").write_bytes(b"")
    write_contact_sheet(tmp_path / "sheet.png", check_dataset(dataset_of_folder(root)))
    sheet = opened(tmp_path / "sheet.png")
    unreadable, inverted = tile(sheet, 0), tile(sheet, 1)
    assert not (unreadable == LINE).all(axis=-1).any()
    outline = (inverted == LINE).all(axis=-1)
    assert outline[0].all()  # the frame that makes it suspicious
    assert 500 < outline.sum() < 4 * TILE * 3
    assert inverted.std() > 20


def test_every_kind_is_there_before_any_is_there_twice(root: Path) -> None:
    faults = [Finding("empty", "warning", (str(root / f"masks/{n}.png"),), "it is") for n in range(6)] * 9
    faults += [Finding("full", "warning", (str(root / "masks/5.png"),), "it is")]
    subject = dataset_of_folder(root)
    sheet = draw_contact_sheet(CheckResult(subject, faults))
    assert sheet.width == COLUMNS * (TILE + GAP) + GAP
    assert sheet.height == MAX_TILES // COLUMNS * (TILE + TEXT + GAP) + GAP
    alone = draw_contact_sheet(CheckResult(subject, faults[-1:]))
    np.testing.assert_array_equal(tile(sheet, 1), tile(alone, 0))


def test_image_and_mask_of_a_fault_are_one_picture(root: Path) -> None:
    files = tuple(str(root / kind / "3.png") for kind in ("masks", "images"))
    sheet = draw_contact_sheet(
        CheckResult(dataset_of_folder(root), [Finding("size", "error", files, "it is")])
    )
    assert sheet.width == 2 * (TILE + GAP) + GAP
    assert (tile(sheet, 1) == tile(sheet, 1)[0, 0]).all()


@pytest.mark.parametrize("name", ["\x1b[31mred\n\r\t", "x" * 240, "図\u202e.", "<b>&", "%s{name}"])
def test_names_do_no_harm(root: Path, name: str, tmp_path: Path) -> None:
    file = root / "images" / f"{name}.png"
    save(file, picture(9))
    found = CheckResult(dataset_of_folder(root), [Finding("unpaired", "error", (str(file),), "it is")])
    write_contact_sheet(tmp_path / "sheet.png", found)
    sheet = np.asarray(opened(tmp_path / "sheet.png"))
    below = sheet[GAP + TILE : GAP + TILE + TEXT]
    assert (below < 100).all(axis=-1).any()  # there is a name
    beside = sheet[:, GAP + TILE : 2 * GAP + TILE]
    assert (beside == sheet[0, 0]).all()  # and it stays below its picture


def test_several_classes_have_colours_of_their_own() -> None:
    task = Task("multilabel", ("spot", "hair"))
    mask = np.stack([blob(1, 1), blob(2, 1)], axis=-1)
    samples = [Sample("drawn", lambda: (picture(1)[..., :1], mask))]
    fault = Finding("empty", "warning", ("drawn",), "it is")
    drawn = tile(draw_contact_sheet(CheckResult(Dataset("drawn", task, {"train": samples}), [fault])), 0)
    colours = {tuple(pixel) for pixel in drawn.reshape(-1, 3).tolist() if len(set(pixel)) == 3}
    assert len(colours) == 2


def test_nothing_to_show_is_a_sheet_too(root: Path, tmp_path: Path) -> None:
    write_contact_sheet(tmp_path / "sheet.png", check_dataset(dataset_of_folder(root)))
    assert opened(tmp_path / "sheet.png").width > TILE


def test_a_sheet_that_cannot_be_written_leaves_the_old_one(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "sheet.png"
    file.write_bytes(b"old")

    def full(*arguments: object, **options: object) -> None:
        Path(str(arguments[1])).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(SegkitError) as error:
        write_contact_sheet(file, CheckResult(Dataset("none", BINARY, {}), []))
    assert str(error.value) == (
        f"{file}: the contact sheet cannot be written: No space left on device\n"
        "  try: a file in an existing folder"
    )
    assert file.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "sheet.png"]


def test_a_sheet_is_a_png(tmp_path: Path) -> None:
    with pytest.raises(SegkitError, match=r"a contact sheet is a PNG file\n  try: --sheet sheet\.png"):
        write_contact_sheet(tmp_path / "sheet.html", CheckResult(Dataset("none", BINARY, {}), []))


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SegkitError, match="cannot be written: No such file or directory"):
        write_contact_sheet(tmp_path / "none/sheet.png", CheckResult(Dataset("none", BINARY, {}), []))


def test_images_of_twelve_channels_and_16_bits_are_shown(root: Path) -> None:
    files = [root / "images/0.tif", root / "images/1.tif"]
    for file in files:
        pixels = np.random.default_rng(0).integers(0, 4000, (40, 40, 12), np.uint16)
        tifffile.imwrite(file, pixels, photometric="minisblack", planarconfig="contig")
    sample = Sample("0", lambda: (read_image(files[0], 12), np.eye(40, dtype=np.uint8)), (files[0],))
    subject = Dataset("bands", BINARY, {"train": [sample]})
    suspects = [Finding("unpaired", "error", (str(file),), "it is") for file in files]
    sheet = draw_contact_sheet(CheckResult(subject, suspects))
    for number in range(2):  # the sample with its mask, and a file alone
        shown = tile(sheet, number)
        assert shown.std() > 30
        assert (shown == LINE).all(axis=-1).any() == (number == 0)

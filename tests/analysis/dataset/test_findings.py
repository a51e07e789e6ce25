"""Every kind of fault in a small data set: found, named, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageDraw

import segkit.analysis.dataset.duplicates as duplicates
from segkit.analysis.dataset import Dataset, check_dataset
from segkit.analysis.dataset.duplicates import find_duplicates
from segkit.analysis.dataset.finding import KINDS
from segkit.analysis.dataset.looks import LOOKS
from segkit.analysis.dataset.sample_stats import collect_stats
from segkit.core.types import Sample, Task
from segkit.data.fit import Fit
from segkit.data.source_scan import scan_source
from segkit.parts.sources.folder import folder
from segkit.utils.record_file import RecordFile
from tests.analysis.dataset.cases import (
    BINARY,
    SIDE,
    blob,
    checked,
    faults,
    opened,
    pairs,
    picture,
    save,
    told,
)

PAGE = Path(__file__).parents[3] / "docs/check_data.md"
CLASSES = Task("multiclass", ("ground", "grass", "tree"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Ten pairs that nothing is wrong with."""
    pairs(tmp_path, range(10))
    return tmp_path


def test_nothing_is_said_of_a_clean_set(root: Path) -> None:
    assert faults(root, size=(48, 48)) == []


def test_images_of_any_size_are_read_for_windows_of_them(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("segkit.data.images", "segkit.analysis.dataset.sample_stats"):
        monkeypatch.setattr(f"{module}.MAX_PIXELS", SIDE * SIDE - 1)
    assert {finding.kind for finding in faults(root, size=(48, 48))} == {"unreadable"}
    source = scan_source(folder(BINARY, 3, images=root / "images", masks=root / "masks"))
    crop = Dataset.of(source, "spots", BINARY, Fit("crop", (48, 48)))
    assert [*check_dataset(crop).findings] == []
    tiny = Dataset.of(source, "spots", BINARY, Fit("crop", (48, 48), 0.01))
    assert {finding.kind for finding in check_dataset(tiny).findings} == {"vanishes"}


def test_every_kind_is_described() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f"| `{kind}` |" not in page] == []


def spoiled(place: str, spoil: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda root: spoil(root / place)


def written(pixels: np.ndarray, **options: object) -> Callable[[Path], object]:
    return lambda place: save(place, pixels, **options)


def smooth(place: Path) -> None:
    small = Image.fromarray(blob(3)).resize((24, 24), Image.Resampling.BILINEAR)
    small.resize((SIDE, SIDE), Image.Resampling.BILINEAR).save(place)


def emptied(place: Path) -> None:
    place.write_bytes(b"")


def as_jpeg(place: Path) -> None:
    opened(place).save(place.with_suffix(".jpg"), quality=90)
    place.unlink()


def grey_jpeg(place: Path) -> None:
    Image.new("L", (SIDE, SIDE), 128).save(place.with_suffix(".jpg"))
    place.unlink()


def turned(orientation: int, size: tuple[int, int] = (SIDE, SIDE)) -> Callable[[Path], None]:
    def turn(place: Path) -> None:
        image = opened(place).resize(size)
        exif = image.getexif()
        exif[0x0112] = orientation
        image.save(place, exif=exif)

    return turn


SPECK = np.zeros((SIDE, SIDE), np.uint8)
SPECK[10, 10] = 255
ALONE = [
    ("images/3.png", Path.unlink, "unpaired", "error", ["3.png"], "this mask has no image"),
    ("masks/3.png", Path.unlink, "unpaired", "error", ["3.png"], "this image has no mask"),
    ("images/3.png", emptied, "unreadable", "error", ["3.png"], "the file is empty"),
    (
        "images/3.png",
        lambda place: place.write_bytes(place.read_bytes()[:900]),
        "unreadable",
        "error",
        ["3.png"],
        "the image is damaged: image file is truncated",
    ),
    (
        "masks/3.png",
        written(blob(3)[:50]),
        "size",
        "error",
        ["3.png", "3.png"],
        "the mask is 96x50 pixels, its image 96x96",
    ),
    ("masks/3.png", written(blob(3) // 2 + blob(4) // 8), "labels", "error", ["3.png"], "one other value"),
    (
        "masks/3.png",
        smooth,
        "interpolated",
        "error",
        ["3.png"],
        "values between 0 and 255 along the edges, as after interpolation or JPEG",
    ),
    ("masks/3.png", as_jpeg, "jpeg_mask", "warning", ["3.jpg"], "the mask is a JPEG"),
    ("masks/3.png", grey_jpeg, "jpeg_mask", "error", ["3.jpg"], "holds more than black and white"),
    ("masks/3.png", written(255 - blob(3)), "inverted", "warning", ["3.png"], "the mask looks inverted"),
    ("masks/3.png", written(blob(3, 0)), "empty", "warning", ["3.png"], "no pixel is spot"),
    ("masks/3.png", written(blob(3, 0) + 255), "full", "warning", ["3.png"], "every pixel is foreground"),
    ("masks/3.png", written(SPECK), "vanishes", "warning", ["3.png"], "no pixel of spot is left"),
    ("masks/3.png", written(blob(4)), "same_mask", "warning", ["3.png", "4.png"], "2 different images have"),
    ("images/3.png", turned(3), "rotated", "warning", ["3.png", "3.png"], "rotated by its EXIF tag"),
    ("images/3.png", turned(6), "rotated", "warning", ["3.png", "3.png"], "rotated by its EXIF tag"),
    ("images/3.png", written(picture(3)[..., 0]), "mode", "warning", ["3.png"], "stored as grey, where most"),
    ("images/3.png", written(picture(3) * 0 + 7), "blank", "warning", ["3.png"], "pixels are nearly equal"),
    ("images/3.png", written(picture(4)), "duplicate", "warning", ["3.png", "4.png"], "2 times in train"),
]  # fmt: skip


@pytest.mark.parametrize(("place", "spoil", "kind", "severity", "files", "message"), ALONE)
def test_a_fault_is_found_and_no_other(
    root: Path, place: str, spoil: Callable[[Path], object], kind: str, severity: str, files: list[str],
    message: str,
) -> None:  # fmt: skip
    spoil(root / place)
    found = faults(root, size=(48, 48))
    if kind == "mode":
        pairs(root, range(10, 15))  # rare, then
        found = faults(root, size=(48, 48))
    assert told(found) == [(kind, severity, files)]
    assert message in found[0].message
    assert found[0].hint


def test_all_faults_are_told_together(root: Path) -> None:
    (root / "images/0.png").unlink()
    (root / "images/1.png").write_bytes(b"")
    (root / "masks/1.png").write_text("<html>", encoding="utf-8")
    save(root / "masks/2.png", blob(2, 0))
    found = faults(root)
    assert [(fault.kind, fault.severity) for fault in found] == [
        ("unpaired", "error"),
        ("unreadable", "error"),
        ("unreadable", "error"),
        ("empty", "warning"),
    ]


def test_a_mask_that_fits_before_the_turn_says_so(root: Path) -> None:
    turned(6, (SIDE, 64))(root / "images/3.png")
    save(root / "masks/3.png", blob(3)[:64])
    (fault,) = faults(root)
    assert fault.kind == "size"
    assert fault.message == (
        "the mask is 96x64 pixels, its image 64x96. The camera marked this photo as rotated (EXIF); "
        "the mask was drawn on the unrotated one"
    )


def test_a_mask_that_fits_the_turned_image_is_no_fault(root: Path) -> None:
    turned(6, (64, SIDE))(root / "images/3.png")
    save(root / "masks/3.png", blob(3)[:64])
    assert faults(root) == []


def test_image_and_mask_of_one_tag_are_no_fault(root: Path) -> None:
    for place in ("images/3.png", "masks/3.png"):
        turned(3)(root / place)
    assert faults(root) == []


def test_a_shape_that_fills_the_picture_is_not_inverted(root: Path) -> None:
    """With background in the corners, as a large lesion has it."""
    mask = np.full((SIDE, SIDE), 255, np.uint8)
    mask[:8, :8] = mask[-8:, -20:] = 0
    save(root / "masks/3.png", mask)
    assert faults(root) == []


def test_a_set_of_inverted_masks_is_said_once(root: Path) -> None:
    for number in range(10):
        save(root / f"masks/{number}.png", 255 - blob(number))
    (fault,) = faults(root)
    assert (fault.kind, len(fault.files)) == ("inverted", 10)
    assert fault.message == "in 10 of 10 masks, foreground surrounds a hole: are they inverted?"


@pytest.mark.parametrize("quality", [30, 90])
@pytest.mark.parametrize("side", [SIDE, SIDE // 2])
def test_versions_of_an_image_are_near_duplicates(tmp_path: Path, quality: int, side: int) -> None:
    pairs(tmp_path, range(6), "train")
    pairs(tmp_path, range(6, 9), "test")
    version = np.asarray(Image.fromarray(picture(2)).resize((side, side)))
    save(tmp_path / "images/test/x.jpg", version, quality=quality)
    save(tmp_path / "masks/test/x.png", blob(2, side=side))
    found = [fault for fault in faults(tmp_path) if fault.kind != "same_mask"]
    assert told(found) == [("near_duplicate", "warning", ["2.png", "x.jpg"])]
    assert found[0].message.startswith("nearly the same image in train and test")


def aligned(number: int, side: int = 256) -> np.ndarray:
    """A photograph as a fundus camera takes it: only the vessels are its own."""
    rows, columns = np.mgrid[:side, :side] / side - 0.5
    grey = 170 - 260 * (rows**2 + columns**2) + 60 * (np.hypot(rows, columns - 0.25) < 0.06)
    canvas = Image.fromarray(grey.clip(0, 255).astype(np.uint8))
    rng = np.random.default_rng(number)
    for _ in range(12):
        path = np.cumsum(rng.normal(0, side / 40, (30, 2)) + rng.normal(0, side / 60, 2), axis=0)
        points = [(0.75 * side + x, side / 2 + y) for x, y in path.tolist()]
        ImageDraw.Draw(canvas).line(points, fill=int(rng.integers(60, 90)), width=3)
    pixels = np.asarray(canvas).astype(np.int16) + rng.integers(-3, 4, (side, side))
    return np.where(np.hypot(rows, columns) < 0.45, pixels, 4).clip(0, 255).astype(np.uint8)


def test_aligned_photographs_of_one_kind_are_no_duplicates_but_their_copies_are(tmp_path: Path) -> None:
    for number in range(12):
        save(tmp_path / f"images/{number:02}.png", aligned(number))
        save(tmp_path / f"masks/{number:02}.png", blob(number, side=256))
    assert told(faults(tmp_path)) == []
    copies = {
        "00": Image.fromarray(aligned(0)),
        "03": Image.fromarray(aligned(3)).resize((128, 128)),
        "05": Image.fromarray(aligned(5)).point(lambda value: min(255, round(1.25 * value))),
        "08": Image.fromarray(aligned(8)).crop((8, 8, 248, 248)),
    }
    for name, copy in copies.items():
        copy.save(tmp_path / f"images/{name}_copy.jpg", quality=60)
        save(tmp_path / f"masks/{name}_copy.png", blob(int(name) + 50, side=copy.width))
    expected = [("near_duplicate", "warning", [f"{name}.png", f"{name}_copy.jpg"]) for name in copies]
    assert told(faults(tmp_path)) == expected


def test_the_same_pixels_in_train_and_test_are_an_error(tmp_path: Path) -> None:
    pairs(tmp_path, range(6), "train")
    pairs(tmp_path, range(5, 8), "test")
    save(tmp_path / "images/val/y.bmp", picture(5))
    save(tmp_path / "masks/val/y.png", blob(5))
    (fault,) = faults(tmp_path)
    assert told([fault]) == [("duplicate", "error", ["5.png", "y.bmp", "5.png"])]
    assert fault.message == "the same pixels in train and val and test"


def test_pairs_are_found_whatever_fits_the_memory(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compared a few at a time, the groups are the same."""
    for number in (1, 4, 8):
        save(root / f"images/{number}_b.jpg", picture(number), quality=60)
        save(root / f"masks/{number}_b.png", blob(number + 100))
    save(root / "images/1_c.jpg", picture(1), quality=30)
    save(root / "masks/1_c.png", blob(200))
    whole = faults(root)
    assert sorted(len(fault.files) for fault in whole) == [2, 2, 3]
    monkeypatch.setattr(duplicates, "_ROWS", 1)
    monkeypatch.setattr(duplicates, "_COLUMNS", 1)
    assert faults(root) == whole


def test_blended_classes_are_found_between_others(tmp_path: Path) -> None:
    """Class 1, grass, rims every tree after smooth resizing: no value is unknown, and yet it is wrong."""
    for number in range(8):
        save(tmp_path / f"images/{number}.png", picture(number))
        mask = blob(number, 2)
        mask[:, :8] = 1
        save(tmp_path / f"masks/{number}.png", mask)
    assert faults(tmp_path, CLASSES) == []
    soft = Image.fromarray(blob(3, 2).astype(np.float32)).resize((64, 64)).resize((SIDE, SIDE))
    save(tmp_path / "masks/3.png", np.asarray(soft).round().astype(np.uint8))
    found = faults(tmp_path, CLASSES)
    assert told(found) == [("interpolated", "warning", ["3.png"])]
    assert found[0].message == "thin rims of grass along the edges of other classes, as after interpolation"


def test_a_set_of_blended_masks_is_said_once(tmp_path: Path) -> None:
    for number in range(6):
        save(tmp_path / f"images/{number}.png", picture(number))
        mask = blob(number, 2)
        mask[:, :20] = 1
        soft = Image.fromarray(mask.astype(np.float32)).resize((64, 64)).resize((SIDE, SIDE))
        save(tmp_path / f"masks/{number}.png", np.asarray(soft).round().astype(np.uint8))
    (fault,) = faults(tmp_path, CLASSES)
    assert (fault.kind, len(fault.files)) == ("interpolated", 6)
    assert fault.message == ("in 6 of 6 masks, a class forms thin rims: is that correct?")


def test_a_class_of_lines_is_not_blended(tmp_path: Path) -> None:
    """An outline of its own class is nowhere an area."""
    for number in range(4):
        save(tmp_path / f"images/{number}.png", picture(number))
        mask = blob(number, 2)
        inner = np.pad(mask, 1)
        around = inner[:-2, 1:-1] & inner[2:, 1:-1] & inner[1:-1, :-2] & inner[1:-1, 2:]
        save(tmp_path / f"masks/{number}.png", np.where((mask > 0) & (around == 0), 1, mask).astype(np.uint8))
    assert faults(tmp_path, CLASSES) == []


def test_classes_that_are_missing_or_rare_are_told(tmp_path: Path) -> None:
    for split, numbers in (("train", range(6)), ("test", range(6, 8))):
        for number in numbers:
            mask = blob(number, 1)
            if number == 0:
                mask[:4, :4] = 2
            save(tmp_path / f"images/{split}/{number}.png", picture(number))
            save(tmp_path / f"masks/{split}/{number}.png", mask)
    four = Task("multiclass", (*CLASSES.classes, "road"))
    told_of = faults(tmp_path, four)
    assert "data.split.balance: true" in told_of[1].hint
    assert told_of[2].hint == (
        "class_weights: balanced, another loss (dice, focal, tversky), data.sample.balance: class, "
        "data.fit: crop with crop.foreground and crop.classes: balanced, or more images that show it"
    )
    found = [(fault.kind, fault.message, len(fault.files)) for fault in told_of]
    assert found == [
        ("absent", "no mask has a pixel of road", 0),
        ("absent", "no mask in test has a pixel of tree", 0),
        ("imbalance", "tree is 0.02% of all pixels, in 1 of 8 images", 1),
    ]
    for number in range(2):
        save(tmp_path / f"rare/images/{number}.png", picture(number))
        spot = (np.arange(96 * 96) == number).reshape(96, 96)
        save(tmp_path / f"rare/masks/{number}.png", 255 * spot.astype(np.uint8))
    (rare,) = (fault for fault in faults(tmp_path / "rare") if fault.kind == "imbalance")
    assert rare.hint == (
        "pos_weight: balanced, another loss (dice, focal, tversky), data.fit: crop with crop.foreground, or "
        "more images that show it"
    )


def test_a_mask_of_ignored_pixels_teaches_nothing(root: Path) -> None:
    save(root / "masks/3.png", blob(3, 0) + 7)
    (fault,) = faults(root, Task("binary", ("spot",), 7))
    assert (fault.kind, fault.message) == ("empty", "every pixel of the mask is ignored")


def sample(number: int, mask: np.ndarray | None = None) -> Sample:
    drawn = blob(number, 1) if mask is None else mask
    return Sample(f"drawn {number}", lambda: (picture(number), drawn))


def test_images_without_files_are_named(root: Path) -> None:
    samples = [*map(sample, range(5)), sample(9, blob(9, 0)), sample(2, blob(2, 1))]
    found = check_dataset(Dataset("drawn", BINARY, {"train": samples}))
    assert told([*found.findings]) == [
        ("duplicate", "warning", ["drawn 2", "drawn 2"]),
        ("empty", "warning", ["drawn 9"]),
    ]


def test_images_of_any_type_are_examined(tmp_path: Path) -> None:
    for number in range(12):
        grey = picture(number)[..., 0] / np.float32(255)
        lowest, width = (60_000, 5_000) if number == 3 else (0, 4_095)  # of twelve bits but one
        pixels = np.full_like(grey, 7) if number == 4 else grey * width + lowest
        save(tmp_path / f"images/{number}.png", pixels.astype(np.uint16))
        save(tmp_path / f"masks/{number}.png", blob(number))
    save(tmp_path / "images/copy.png", np.asarray(opened(tmp_path / "images/5.png")))
    save(tmp_path / "masks/copy.png", blob(5))
    found = checked(tmp_path)
    assert told([*found.findings]) == [
        ("duplicate", "warning", ["5.png", "copy.png"]),
        ("outside", "warning", ["3.png"]),
        ("blank", "warning", ["4.png"]),
    ]
    outside = found.findings[1]
    assert re.fullmatch(
        r"numbers from 6\d{4} to 6\d{4}, where those of most images are from \d{1,3} to [34]\d{3}",
        outside.message,
    )
    assert found.pixels is not None
    assert found.pixels.as_json() | {"highest": 0} == {
        "types": {"uint16": 13}, "channels": {"1": 13}, "lowest": [0.0], "highest": 0,
    }  # fmt: skip
    assert re.fullmatch(r"uint16, 1 channel, 0 to 6\d{4}", str(found.pixels))


def test_mixed_types_of_numbers_are_told(tmp_path: Path) -> None:
    for number in range(8):
        kind = {5: np.uint16, 6: np.float32}.get(number, np.uint8)
        path = tmp_path / "images" / f"{number}.tif"
        path.parent.mkdir(exist_ok=True)
        tifffile.imwrite(path, picture(number).astype(kind), photometric="rgb")
        save(tmp_path / f"masks/{number}.png", blob(number))
    (fault,) = checked(tmp_path).findings
    assert told([fault]) == [("types", "warning", ["5.tif", "6.tif"])]
    counts = "6 uint8, 1 uint16, 1 float32"
    assert fault.message == f"types of numbers are mixed ({counts}), and all are read with one range"
    assert fault.hint == "save all images in one type, their numbers on one scale"


def test_images_of_many_channels_are_examined(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for number in range(6):
        bands = np.concatenate([picture(number), picture(number + 50)[..., :2]], axis=-1).astype(np.int16)
        bands[..., 4] -= 500
        tifffile.imwrite(
            tmp_path / f"images/{number}.tif", bands, photometric="minisblack", planarconfig="contig"
        )
        save(tmp_path / f"masks/{number}.png", blob(number))
    found = checked(tmp_path, channels=5)
    assert not found.findings
    assert found.pixels is not None
    assert (found.pixels.types, found.pixels.channels) == ({"int16": 6}, {5: 6})
    assert len(found.pixels.lowest) == 5
    assert -500 <= found.pixels.lowest[4] < found.pixels.highest[4] < -200 < 0 <= found.pixels.lowest[0]


def test_a_source_that_fails_ends_no_examination() -> None:
    def read() -> tuple[np.ndarray, np.ndarray]:
        raise KeyError("pixels")

    found = check_dataset(Dataset("drawn", BINARY, {"train": [sample(1), Sample("odd", read)]}))
    (fault,) = found.findings
    assert (fault.kind, fault.severity, fault.files) == ("unreadable", "error", ("odd",))
    assert fault.message == "the source fails to read it: KeyError: 'pixels'"
    assert not found.ok


def test_many_labels_per_pixel_are_counted_by_class() -> None:
    task = Task("multilabel", ("spot", "hair"))
    masks = [np.stack([blob(number, 1), blob(number, 0)], axis=-1) for number in range(3)]
    samples = [sample(number, mask) for number, mask in enumerate(masks)]
    found = check_dataset(Dataset("drawn", task, {"train": samples}))
    assert [(fault.kind, fault.message) for fault in found.findings] == [
        ("absent", "no mask has a pixel of hair")
    ]


def test_large_images_are_judged_at_a_smaller_size(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / f"images/{number}.jpg", picture(number, 1200), quality=80)
        save(tmp_path / f"masks/{number}.png", blob(number, side=1200))
    save(tmp_path / "images/x.png", np.asarray(opened(tmp_path / "images/1.jpg")))
    save(tmp_path / "masks/x.png", 255 - blob(1, side=1200))
    assert told(faults(tmp_path)) == [
        ("duplicate", "warning", ["1.jpg", "x.png"]),
        ("inverted", "warning", ["x.png"]),
    ]


def test_images_of_one_colour_are_no_duplicates_but_dim_images_are() -> None:
    flat = [
        Sample(name, lambda: (picture(1) * 0 + np.array([200, 150, 180], np.uint8), blob(3, 1)))
        for name in "ab"
    ]
    dim = [Sample(name, lambda: (picture(1) // 50, blob(4, 1))) for name in "cd"]
    dataset = Dataset("drawn", BINARY, {"train": flat + dim})
    with RecordFile(LOOKS) as looks:
        found = [*find_duplicates(collect_stats(dataset, looks, lambda label, done, total: None), looks)]
    assert [(fault.kind, fault.files) for fault in found] == [("duplicate", ("c", "d"))]


def test_masks_in_which_nothing_can_be_learnt_are_an_error(root: Path) -> None:
    task = Task("multiclass", ("ground", "spot"), 255)
    (fault,) = [fault for fault in faults(root, task) if fault.severity == "error"]
    assert (fault.kind, fault.message) == (
        "labels",
        "the masks hold only ground and pixels to ignore: there is nothing to learn",
    )
    assert fault.hint.startswith(
        "if 255 is spot, set data.labels: {ground: 0, spot: 255} and leave out data.ig"
    )


def test_palette_of_masks_offers_its_colours(root: Path) -> None:
    task = Task("multiclass", ("ground", "spot"))
    for file in (root / "masks").rglob("*.png"):
        mask = Image.fromarray((np.asarray(Image.open(file)) > 0).astype(np.uint8))
        mask.putpalette([0, 0, 1, 128, 64, 128])
        mask.save(file)
    scan = scan_source(folder(task, 3, images=root / "images", masks=root / "masks"))
    assert check_dataset(Dataset.of(scan, "", task)).colors == {"ground": "#000001", "spot": "#804080"}
    chosen = replace(task, colors=(("spot", "#ffffff"),))
    assert check_dataset(Dataset.of(scan, "", chosen)).colors == {}

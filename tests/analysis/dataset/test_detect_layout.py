"""Folders without a recipe: what they are taken for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from segkit.analysis.dataset import check_dataset, dataset_of_folder
from segkit.core.errors import DataError
from segkit.core.types import Task
from segkit.parts.sources.isic2016 import FOLDERS
from tests.analysis.dataset.cases import SIDE, blob, pairs, picture, save


def counts(root: Path) -> dict[str, int]:
    return {split: len(samples) for split, samples in dataset_of_folder(root).splits.items()}


@pytest.mark.parametrize(
    ("images", "masks", "called"),
    [
        ("images", "masks", "{}"),
        ("photographs", "Ground Truth", "{}"),
        ("x", "y", "{}"),
        ("img", "img_labels", "{}_mask"),
        ("JPEGImages", "SegmentationClass", "mask-{}"),
    ],
)
def test_two_folders_are_told_apart_by_name(tmp_path: Path, images: str, masks: str, called: str) -> None:
    for number in range(12):
        save(tmp_path / images / f"p{number}.jpg", picture(number))
        save(tmp_path / masks / f"{called.format(f'p{number}')}.png", blob(number))
    found = dataset_of_folder(tmp_path)
    assert found.about == (
        f"detected images in {images}, masks in {masks}, named '{called.format('{name}')}'; binary masks"
    )
    assert counts(tmp_path) == {"train": 12}
    assert not found.problems


@pytest.mark.parametrize("called", ["{}", "{}_mask"])
def test_photographs_without_masks_may_lie_beside_the_others(tmp_path: Path, called: str) -> None:
    for number in range(3):
        save(tmp_path / "photos" / f"{number}.jpg", picture(number))
        save(tmp_path / "masks" / f"{called.format(number)}.png", blob(number))
        save(tmp_path / "new" / f"{number + 2}.jpg", picture(number + 3))  # also numbered: 2 is in both
    found = dataset_of_folder(tmp_path)
    assert found.about == (
        f"detected images in photos, masks in masks, named '{called.format('{name}')}'; binary masks; "
        "without masks: new"
    )
    assert counts(tmp_path) == {"train": 3}
    for number in range(2):
        save(tmp_path / "new" / f"{number}.jpg", picture(number + 7))
    with pytest.raises(DataError, match="cannot tell which folder holds the images of masks: new, photos"):
        dataset_of_folder(tmp_path)


@pytest.mark.parametrize(
    ("images", "masks", "others"),
    [
        ("photos", "outlines", "without outlines"),
        ("photos", "outlines", "unoutlined"),
        ("labelled", "masks", "unlabelled"),
        ("labeled", "labels", "unlabeled"),
        ("img", "unet_masks", "img_no_masks"),
        ("img", "masks_without_hair", "img_nomask"),
        ("img", "masks_no_background", "img_not_annotated"),
    ],
)
def test_folders_may_be_named_for_the_masks_that_they_lack(
    tmp_path: Path, images: str, masks: str, others: str
) -> None:
    for number in range(3):
        save(tmp_path / images / f"{number}.jpg", picture(number))
        save(tmp_path / masks / f"{number}.png", blob(number))
        save(tmp_path / others / f"{number + 3}.jpg", picture(number + 3))
    found = dataset_of_folder(tmp_path)
    assert found.about == (
        f"detected images in {images}, masks in {masks}, named '{{name}}'; binary masks; "
        f"without masks: {others}"
    )
    assert counts(tmp_path) == {"train": 3}


def test_photographs_without_masks_may_lie_in_a_folder_inside_that_of_images(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / f"{number}.jpg", picture(number))
        save(tmp_path / "masks" / f"{number}.png", blob(number))
        save(tmp_path / "new" / f"x{number}.jpg", picture(number + 3))
    found = dataset_of_folder(tmp_path)
    assert counts(tmp_path) == {"train": 3}
    assert [problem.problem for problem in found.problems] == ["this image has no mask"] * 3
    assert "without masks" not in found.about


def test_few_masks_of_many_photographs_are_found(tmp_path: Path) -> None:
    """The names of those without masks come first."""
    for number in range(500):
        (tmp_path / "photos").mkdir(exist_ok=True)
        (tmp_path / "photos" / f"{number:03}.jpg").touch()
    for number in range(496, 500):
        save(tmp_path / "masks" / f"{number}_outline.png", blob(number))
    assert "named '{name}_outline'" in dataset_of_folder(tmp_path).about
    assert counts(tmp_path) == {"train": 4}


def test_images_that_are_not_read_are_named(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / "photos").mkdir(exist_ok=True)
        (tmp_path / "photos" / f"{number}.JXL").touch()
        save(tmp_path / "masks" / f"{number}.png", blob(number))
    assert [problem.problem for problem in dataset_of_folder(tmp_path).problems] == [
        "JXL files are not read"
    ] * 3
    for number in range(3):
        (tmp_path / "masks" / f"{number}.png").unlink()
    with pytest.raises(DataError) as error:
        dataset_of_folder(tmp_path)
    assert [problem.problem for problem in error.value.problems] == [
        "this folder of masks holds no images: masks",
        *["JXL files are not read"] * 3,
    ]


def test_many_folders_are_not_all_listed(tmp_path: Path) -> None:
    for number in range(664):
        save(tmp_path / f"{number:064}" / "images/1.png", picture(1)[:8, :8])
    with pytest.raises(DataError) as error:
        dataset_of_folder(tmp_path)
    (problem,) = error.value.problems
    assert problem.problem.endswith(" and 659 more")
    assert len(problem.problem) < 500


def test_splits_in_both_folders_are_the_splits(tmp_path: Path) -> None:
    pairs(tmp_path, range(3), "train")
    pairs(tmp_path, range(3, 5), "test")
    assert counts(tmp_path) == {"train": 3, "test": 2}


def test_images_beside_their_masks(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / f"{number}.png", picture(number))
        save(tmp_path / f"{number}_seg.png", blob(number))
    found = dataset_of_folder(tmp_path)
    assert "named '{name}_seg'" in found.about
    assert counts(tmp_path) == {"train": 4}


def test_masks_in_a_folder_inside_that_of_images(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / f"{number}.png", picture(number))
        save(tmp_path / f"masks/{number}.png", blob(number))
    assert counts(tmp_path) == {"train": 3}


def test_a_folder_that_cannot_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(DataError, match="the folder cannot be read: Permission denied"):
        dataset_of_folder(tmp_path)


def test_the_folders_of_isic_are_known_even_when_some_are_missing(tmp_path: Path) -> None:
    for name in FOLDERS["train"]:
        (tmp_path / name).mkdir()
    found = dataset_of_folder(tmp_path)
    assert found.about == "detected the folders of ISIC 2016; binary masks"
    (problem,) = found.problems
    assert problem.kind == "missing"
    assert "missing folder ISBI2016_ISIC_Part1_Test_Data" in problem.problem


@pytest.mark.parametrize("named", ["folder", "file"])
def test_a_csv_file_is_a_manifest(tmp_path: Path, named: str) -> None:
    pairs(tmp_path, range(3))
    rows = "".join(f"images/{n}.png,masks/{n}.png,{'test' if n else 'train'}\n" for n in range(3))
    table = tmp_path / "all.csv"
    table.write_text(f"image,mask,split\n{rows}images/9.png,masks/0.png,train\n", encoding="utf-8")
    found = dataset_of_folder(table if named == "file" else tmp_path)
    assert found.about == "detected the images listed in all.csv; binary masks"
    assert {split: len(samples) for split, samples in found.splits.items()} == {"train": 1, "test": 2}
    (problem,) = found.problems
    assert (problem.kind, problem.line) == ("manifest", 5)


def test_mask_columns_are_classes(tmp_path: Path) -> None:
    pairs(tmp_path, range(2))
    table = "image,mask_spot,mask_hair\nimages/0.png,masks/0.png,\nimages/1.png,,masks/1.png\n"
    (tmp_path / "all.csv").write_text(table, encoding="utf-8")
    assert dataset_of_folder(tmp_path).task == Task("multilabel", ("spot", "hair"))


def test_names_may_be_composed_and_decomposed(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / f"images/M\u00fcller {number}.png", picture(number))
        save(tmp_path / f"masks/Mu\u0308ller {number}_Fla\u0308che.png", blob(number, 1 + number % 2))
    assert dataset_of_folder(tmp_path).about.endswith("named '{name}_Fl\u00e4che'; multiclass masks")
    assert counts(tmp_path) == {"train": 3}
    rows = "".join(f"images/M\u00fcller {n}.png,masks/M\u00fcller {n}_Fl\u00e4che.png\n" for n in range(3))
    (tmp_path / "all.csv").write_text(f"image,mask\n{rows}", encoding="utf-8")
    found = dataset_of_folder(tmp_path)
    assert found.task.kind == "multiclass"
    assert not found.problems


@pytest.mark.posix("there are no named pipes")
def test_a_csv_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    pairs(tmp_path, range(3))
    (tmp_path / "patients.csv").write_text("name,age\n", encoding="utf-8")
    (tmp_path / "broken.csv").write_bytes(b"\xff\xfe\x00image")
    assert counts(tmp_path) == {"train": 3}


def test_two_manifests_are_one_too_many(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("image,mask\n", encoding="utf-8")
    with pytest.raises(DataError) as error:
        dataset_of_folder(tmp_path)
    assert str(error.value) == (
        f"{tmp_path}: several CSV files list images: a.csv, b.csv\n  try: segkit data check {tmp_path}/a.csv"
    )


def mask_of(*values: int) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for row, value in enumerate(values):
        mask[10 * row : 10 * row + 8, 5:60] = value
    return mask


@pytest.mark.parametrize(
    ("masks", "task"),
    [
        ([(0, 255)] * 20, Task("binary", ("foreground",))),
        ([(0, 1)] * 20, Task("binary", ("foreground",))),
        ([(0, 255)] * 19 + [(0, 7, 255)], Task("binary", ("foreground",))),
        ([(0, 1), (0, 2)], Task("multiclass", ("class 0", "class 1", "class 2"))),
        ([(0, 1, 2, 255)] * 3, Task("multiclass", ("class 0", "class 1", "class 2"), 255)),
        ([(0,)] * 3, Task("binary", ("foreground",))),
    ],
)
def test_the_task_is_guessed_from_values(tmp_path: Path, masks: list[tuple[int, ...]], task: Task) -> None:
    for number, values in enumerate(masks):
        save(tmp_path / f"images/{number}.png", picture(number))
        save(tmp_path / f"masks/{number}.png", mask_of(*values))
    assert dataset_of_folder(tmp_path).task == task


def coloured(numbers: np.ndarray, *colors: str) -> np.ndarray:
    return np.array([[*bytes.fromhex(color[1:])] for color in colors], np.uint8)[numbers]


def test_colours_of_masks_are_listed_with_their_share(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / f"images/{number}.png", picture(number))
        classes = mask_of(1, 2)
        save(tmp_path / f"masks/{number}.png", coloured(classes, "#804080", "#000000", "#00008e"))
    found = dataset_of_folder(tmp_path)
    lines = found.recipe.splitlines()
    comment = lines.index("  # share of the pixels: #804080 90.45%, #000000 4.77%, #00008e 4.77%")
    assert lines[comment + 1].startswith("  labels: {")
    assert yaml.safe_load(found.recipe)["data"]["labels"] == {
        "color 804080": "#804080", "color 000000": "#000000", "color 00008e": "#00008e",
    }  # fmt: skip
    result = check_dataset(found)
    assert result.ok
    assert result.classes
    assert [f"{share:.2%}" for share in result.classes.fractions.values()] == ["90.45%", "4.77%", "4.77%"]


def test_black_and_one_colour_are_binary(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / f"images/{number}.png", picture(number))
        save(tmp_path / f"masks/{number}.png", coloured(blob(number, number % 4 and 1), "#000000", "#FF0000"))
    found = dataset_of_folder(tmp_path)
    assert found.task == Task("binary", ("foreground",), labels=(("foreground", ("#ff0000",)),))
    assert [finding.kind for finding in check_dataset(found).findings] == ["empty"]


def test_colours_of_photographs_are_no_classes(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / f"images/{number}.png", picture(number))
        save(tmp_path / f"masks/{number}.png", picture(number))
    with pytest.raises(DataError) as error:
        dataset_of_folder(tmp_path)
    (problem,) = error.value.problems
    start, end = "the masks are in colour, of at least 9,202 colours: #53405b 0.02%, ", " and 9,194 more"
    assert (problem.problem[: len(start)], problem.problem[-len(end) :]) == (start, end)
    assert problem.hint == (
        "save masks as PNG with a colour for each class, or name all in data.labels of a recipe"
    )


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda root: None, "this folder holds no images"),
        (lambda root: save(root / "a/1.png", picture(1)), "no folder is named like a folder of masks: a"),
        (
            lambda root: [save(root / at / "1.png", picture(1)) for at in ("a", "b", "gt")],
            "cannot tell which folder holds the images of gt: a, b",
        ),
        (
            lambda root: save(root / "gt/1.png", picture(1)),
            "there is a folder of masks, gt, but no folder of images",
        ),
        (lambda root: save(root / "1.png", picture(1)), "no file is named like the mask of another image"),
    ],
)  # fmt: skip
def test_a_folder_that_is_no_data_set_says_what_would_be(tmp_path: Path, make: object, found: str) -> None:
    make(tmp_path)  # type: ignore[operator]
    with pytest.raises(DataError) as error:
        dataset_of_folder(tmp_path)
    (problem,) = error.value.problems
    assert problem.problem == found
    assert problem.file == str(tmp_path)
    assert problem.hint.endswith("or the folders of ISIC 2016; or name a recipe")


def test_unreadable_masks_do_not_decide(tmp_path: Path) -> None:
    pairs(tmp_path, range(4))
    (tmp_path / "masks/0.png").write_bytes(b"")
    save(tmp_path / "masks/1.png", picture(1))
    assert dataset_of_folder(tmp_path).task.kind == "binary"


def recipe_lines(root: Path) -> dict[str, object]:
    """The source in the printed lines, without the folders."""
    source = yaml.safe_load(dataset_of_folder(root).recipe)["data"]["source"]
    return {key: str(value).replace(f"{root}/", "").replace(str(root), "") for key, value in source.items()}


@pytest.mark.parametrize(
    ("files", "source", "splits"),
    [
        (  # CamVid without its lists
            ["train/{}.png train_labels/{}_L.png", "val/{}.png val_labels/{}_L.png"],
            {"image_pattern": "{split}/{name}", "mask_pattern": "{split}_labels/{name}_L"},
            {"train": 4, "val": 4},
        ),
        (  # the folders have other names for the splits; photos without masks are left out
            ["Train/im/{}_a.png Train/GT/{}_b.png", "valid/im/{}_a.png valid/GT/{}_b.png", "test/new/{}.png"],
            {"image_pattern": "{split}/im/{name}_a", "mask_pattern": "{split}/GT/{name}_b"},
            {"train": 4, "val": 4},
        ),
        (  # images beside masks in each split
            ["train/{}.jpg train/{}_mask.png", "test/{}.jpg test/{}_mask.png"],
            {"image_pattern": "{split}/{name}", "mask_pattern": "{split}/{name}_mask"},
            {"train": 4, "test": 4},
        ),
        (  # images and masks told apart by words alone
            ["{}_photo.jpg {}_mask.png"],
            {"image_pattern": "{name}_photo", "mask_pattern": "{name}_mask"},
            {"train": 4},
        ),
        (  # a folder for each image
            ["case{0}/case{0}_image.png case{0}/case{0}_mask.png"],
            {"image_pattern": "{name}/{name}_image", "mask_pattern": "{name}/{name}_mask"},
            {"train": 4},
        ),
        (
            ["p{0}/photo.png p{0}/labels/l{0}.png"],
            {"image_pattern": "{name}/photo", "mask_pattern": "{name}/labels/*"},
            {"train": 4},
        ),
        (  # numbered masks of objects
            ["images/{0}.png masks/{0}_1.png", "images/{0}.png masks/{0}_2.png"],
            {"mask_pattern": "{name}_*", "instances": "union"},
            {"train": 4},
        ),
        (  # a folder of masks for each image
            ["raw/{0}.png masks/{0}/a.png", "raw/{0}.png masks/{0}/b.png"],
            {"mask_pattern": "{name}/*", "instances": "union"},
            {"train": 4},
        ),
    ],
)  # fmt: skip
def test_other_layouts_are_recognised(
    tmp_path: Path, files: list[str], source: dict[str, str], splits: dict[str, int]
) -> None:
    for pair in files:
        for number in range(4):
            image, *masks = pair.format(number, number).split()
            save(tmp_path / image, picture(number))
            for mask in masks:
                save(tmp_path / mask, blob(number))
    assert counts(tmp_path) == splits
    found = recipe_lines(tmp_path)
    assert {key: value for key, value in found.items() if key not in ("name", "images", "masks")} == source
    assert not dataset_of_folder(tmp_path).problems


def test_lists_of_names_are_read_with_the_guessed_folders(tmp_path: Path) -> None:
    for number in range(6):
        save(tmp_path / f"img/{number}.png", picture(number))
        save(tmp_path / f"ann/{number}_labelIds.png", blob(number))
    (tmp_path / "train.txt").write_text("0\n1\n2\n")
    (tmp_path / "val.txt").write_text("4\n")
    (tmp_path / "readme.txt").write_text("read me\n")
    assert counts(tmp_path) == {"train": 3, "val": 1}
    assert recipe_lines(tmp_path) == {
        "name": "list", "train": "train.txt", "val": "val.txt", "images": "img", "masks": "ann",
        "mask_pattern": "{name}_labelIds",
    }  # fmt: skip
    for number in range(6):
        save(tmp_path / f"color_masks/{number}.png", picture(number))
    assert recipe_lines(tmp_path)["masks"] == "ann"
    assert "  # other masks are left out: color_masks (in colour)\n" in dataset_of_folder(tmp_path).recipe
    (tmp_path / "train.txt").write_text("nothing that is here\n")
    (tmp_path / "val.txt").unlink()
    assert counts(tmp_path) == {"train": 6}


def test_numbered_objects_are_one_foreground(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / f"images/{number}.png", picture(number))
        save(tmp_path / f"masks/{number}.png", mask_of(*range(1, number + 3)))
    data = yaml.safe_load(dataset_of_folder(tmp_path).recipe)["data"]
    assert (data["task"], data["source"]["instances"]) == ("binary", "union")
    save(tmp_path / "masks/3.png", mask_of(1, 2, 3, 5))  # a gap
    assert yaml.safe_load(dataset_of_folder(tmp_path).recipe)["data"]["task"] == "multiclass"


def test_numbers_of_any_type_are_values(tmp_path: Path) -> None:
    for number in range(3):
        for folder, mask in (("a", mask_of(1) * np.float32(0.98)), ("b", mask_of(1) * np.int32(2**31 - 1))):
            save(tmp_path / folder / f"images/{number}.png", picture(number))
            save(tmp_path / folder / f"masks/{number}.tif", mask)
    for folder in "ab":
        result = check_dataset(dataset_of_folder(tmp_path / folder))
        assert (result.ok, result.dataset.task) == (True, Task("binary", ("foreground",)))


def test_labels_of_few_numbers_are_named(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / f"images/{number}.png", picture(number))
        save(tmp_path / f"masks/{number}.png", mask_of(7, 26, 255))
    data = yaml.safe_load(dataset_of_folder(tmp_path).recipe)["data"]
    assert data["classes"] == ["class 0", "class 7", "class 26"]
    assert data["labels"] == {"class 0": 0, "class 7": 7, "class 26": 26}
    assert data["ignore_index"] == 255
    assert check_dataset(dataset_of_folder(tmp_path)).ok


def test_masks_of_drive_as_it_is_packed_are_those_of_the_first_observer(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    view = ((rows**2 + columns**2 < (SIDE / 2) ** 2) * 255).astype(np.uint8)
    for split, numbers in (("training", range(21, 24)), ("test", range(1, 4))):
        for number in numbers:
            name = f"{number:02}_{split}"
            save(tmp_path / split / "images" / f"{name}.tif", picture(number))
            save(tmp_path / split / "1st_manual" / f"{number:02}_manual1.gif", blob(number))
            save(tmp_path / split / "mask" / f"{name}_mask.gif", view)
            if split == "test":
                save(tmp_path / "test/2nd_manual" / f"{number:02}_manual2.gif", blob(number))
    assert counts(tmp_path) == {"train": 3, "test": 3}
    assert recipe_lines(tmp_path) == {
        "name": "folder", "images": "", "masks": "",
        "image_pattern": "{split}/images/{name}_*", "mask_pattern": "{split}/1st_manual/{name}_manual1",
    }  # fmt: skip
    left_out = "other masks are left out: {split}/2nd_manual, {split}/mask (nearly the same for all images)"
    found = dataset_of_folder(tmp_path)
    assert found.about.endswith(left_out)
    assert f"  # {left_out}\n  source: " in found.recipe
    assert not found.problems
    assert {sample.files[1].parent.name for sample in found.splits["test"]} == {"1st_manual"}
    assert counts(tmp_path / "training") == {"train": 3}
    assert "1st_manual, named '{name}_manual1'" in dataset_of_folder(tmp_path / "training").about


@pytest.mark.parametrize(
    ("folders", "chosen", "left_out"),
    [
        ({"labels": blob, "masks": blob}, "masks", "labels"),
        ({"annotations": blob, "gt": blob}, "gt", "annotations"),
        ({"mask_color": picture, "segmentation": blob}, "segmentation", "mask_color (in colour)"),
        ({"masks_a": blob, "masks_b": blob}, "masks_a", "masks_b"),
    ],
)
def test_of_several_folders_of_masks_one_is_chosen(
    tmp_path: Path, folders: dict[str, Callable[[int], np.ndarray]], chosen: str, left_out: str
) -> None:
    for number in range(3):
        save(tmp_path / f"images/{number}.png", picture(number))
        for folder, draw in folders.items():
            save(tmp_path / folder / f"{number}.png", draw(number))
    assert recipe_lines(tmp_path)["masks"] == chosen
    assert dataset_of_folder(tmp_path).about.endswith(f"; other masks are left out: {left_out}")
    (tmp_path / f"{chosen}/0.png").unlink()  # the folder with most masks comes first
    assert (recipe_lines(tmp_path)["masks"] == chosen) == ("colour" in left_out)


@pytest.mark.parametrize(
    ("sides", "size"),
    [
        ([(1024, 768)] * 3, [512, 384]),
        ([(584, 565)], [512, 480]),
        ([(90, 200)], [96, 192]),
        ([(9, 900)], [32, 512]),
        ([(9, 1200)], [32, 512]),
        ([(600, 800), (1200, 1600), (800, 600)], [384, 512]),
    ],
)
def test_the_size_is_that_of_most_images(
    tmp_path: Path, sides: list[tuple[int, int]], size: list[int]
) -> None:
    for number, (height, width) in enumerate(sides):
        save(tmp_path / f"images/{number}.png", np.full((height, width, 3), number, np.uint8))
        save(tmp_path / f"masks/{number}.png", np.eye(height, width, dtype=np.uint8))
    found = dataset_of_folder(tmp_path)
    assert yaml.safe_load(found.recipe)["data"]["size"] == size
    first = f"{sides[0][1]}x{sides[0][0]}"
    assert f"  # height, width: as the images ({first}" in found.recipe
    if len(sides) == 3 and sides[1] != sides[0]:
        assert (
            "(800x600 to 1600x1200 pixels), at most 512; larger is finer and slower\n  size: ["
            in found.recipe
        )
    large = "at most 512; 'segkit plan' tells what is lost by that,\n  # and whether fit: crop avoids it\n"
    assert (large in found.recipe) == (max(sides[0]) > 1024)


def test_values_of_one_mask_alone_are_told(tmp_path: Path) -> None:
    for number in range(12):
        mask = mask_of(255) if number != 7 else mask_of(255, 128)
        save(tmp_path / f"a/images/{number}.png", picture(number))
        save(tmp_path / f"a/masks/{number}.png", mask)
        save(tmp_path / f"b/images/{number}.png", picture(number))
        save(tmp_path / f"b/masks/{number}.png", mask_of(1, 2, 3) if number != 7 else mask_of(1, 2, 5, 4))
        save(tmp_path / f"c/images/{number}.png", picture(number))
        color = coloured(mask_of(1, 2, 3 * (number == 7)), "#000000", "#ff0000", "#00ff00", "#0000ff")
        save(tmp_path / f"c/masks/{number}.png", color)
    for folder, value in (
        ("a", "128 (440 pixels)"),
        ("b", "4 (440 pixels), 5 (440 pixels)"),
        ("c", "#0000ff (440 pixels)"),
    ):
        found = check_dataset(dataset_of_folder(tmp_path / folder)).findings
        (stray,) = [finding for finding in found if finding.message.startswith("only")]
        assert (stray.kind, stray.severity) == ("labels", "warning")
        assert stray.files == (str(tmp_path / folder / "masks/7.png"),)
        assert stray.message == f"only this mask holds {value}"
        assert stray.hint == (
            "correct the mask if it is a slip; else name it in data.labels, as a class or under 'ignore'"
        )

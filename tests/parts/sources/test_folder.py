"""Folders of images and masks: what belongs together, and what is left over."""

import shutil
from dataclasses import replace
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
from pydantic import ValidationError

from segkit.core.errors import DataError, PartError
from segkit.core.registry import SOURCES
from tests.data.cases import BINARY, HALF, MULTICLASS, MULTILABEL, names, palette, picture, save, save_pair

FOLDER = SOURCES.get("folder")


def splits(root: Path, images: str = "images", masks: str = "masks", task=BINARY, **options):
    return FOLDER.factory(task, 3, images=root / images, masks=root / masks, **options).splits()


def problems(root: Path, *arguments, **options) -> list[str]:
    with pytest.raises(DataError) as error:
        splits(root, *arguments, **options)
    return str(error.value).replace(f"{root}/", "").splitlines()


def test_folder_pairs_by_name_whatever_the_endings(tmp_path):
    for name, image, mask in (("b", "jpg", "png"), ("a.1", "PNG", "tif"), ("p/c", "bmp", "gif")):
        save_pair(tmp_path / f"images/{name}.{image}", tmp_path / f"masks/{name}.{mask}")
    for junk in ("images/.hidden.png", "images/.git/x.png", "images/notes.txt", "masks/Thumbs.db"):
        (tmp_path / junk).parent.mkdir(exist_ok=True)
        (tmp_path / junk).touch()
    samples = splits(tmp_path)
    assert list(samples) == ["train"]
    assert names(samples["train"]) == ["a.1", "b", "p/c"]
    assert samples["train"][1].files == (tmp_path / "images/b.jpg", tmp_path / "masks/b.png")
    image, mask = samples["train"][0].read()
    np.testing.assert_array_equal(image, picture())
    np.testing.assert_array_equal(mask, HALF)


@pytest.mark.parametrize(
    ("pattern", "mask"),
    [
        ("{name}_mask", "{}_mask"),
        ("mask_{name}", "mask_{}"),
        ("GT-{name}(1)", "GT-{}(1)"),
        ("{name}/mask", "{}/mask"),
        ("labels/{name}", "labels/{}"),
    ],
)
def test_pattern_finds_masks(tmp_path, pattern, mask):
    for name in ("a", "b_mask_2"):
        save_pair(tmp_path / f"images/{name}.png", tmp_path / f"masks/{mask.format(name)}.png")
        save(tmp_path / f"masks/{name}.png", picture())
    samples = splits(tmp_path, pattern=pattern)["train"]
    assert names(samples) == ["a", "b_mask_2"]
    assert samples[0].files[1] == tmp_path / f"masks/{mask.format('a')}.png"


def test_images_and_masks_may_share_a_folder(tmp_path):
    for name in ("a", "p/b"):
        save_pair(tmp_path / f"all/{name}.png", tmp_path / f"all/{name}_mask.png")
    samples = splits(tmp_path, "all", "all", pattern="{name}_mask")["train"]
    assert names(samples) == ["a", "p/b"]
    assert samples[1].files[1].name == "b_mask.png"


def test_images_and_masks_in_one_folder_need_a_pattern(tmp_path):
    with pytest.raises(
        PartError, match=r"one folder and cannot be told apart\n  try: set data\.source\.mask_pattern"
    ):
        splits(tmp_path, "all", "all")


def test_masks_may_lie_inside_the_folder_of_images(tmp_path):
    save_pair(tmp_path / "all/a.png", tmp_path / "all/masks/a.png")
    assert names(splits(tmp_path, "all", "all/masks")["train"]) == ["a"]


def test_folders_called_as_splits_are_the_splits(tmp_path):
    for split, name in (("train", "a"), ("train", "deep/b"), ("val", "c"), ("test", "a")):
        save_pair(tmp_path / f"images/{split}/{name}.png", tmp_path / f"masks/{split}/{name}.png")
    found = splits(tmp_path)
    assert {split: names(samples) for split, samples in found.items()} == {
        "train": ["a", "deep/b"],
        "val": ["c"],
        "test": ["a"],
    }


def test_split_without_masks_is_named_with_all_that_is_wrong_elsewhere(tmp_path):
    save_pair(tmp_path / "images/train/a.png", tmp_path / "masks/train/b.png")
    save(tmp_path / "images/val/c.png", picture())
    assert problems(tmp_path) == [
        "images/train/a.png: this image has no mask",
        "  try: add the missing mask, or move this image out of the folder",
        "masks/train/b.png: this mask has no image",
        "  try: add the missing image, or move this mask out of the folder",
        "masks/val: there is no such folder",
    ]


def test_images_beside_the_splits_are_not_left_out_silently(tmp_path):
    for name in ("train/a", "more/b", "c"):
        save_pair(tmp_path / f"images/{name}.png", tmp_path / f"masks/{name}.png")
    assert problems(tmp_path) == [
        "images: c.png, more: not in any split",
        "  try: the splits here are train; move it into one of them",
    ]


def test_every_missing_partner_is_reported_with_a_near_miss(tmp_path):
    for name in ("images/ISIC_01.png", "images/ISIC_02.png", "images/cat.png", "images/fine.png"):
        save(tmp_path / name, picture())
    for name in ("masks/isic-1.png", "masks/ISIC_03.png", "masks/fine.png"):
        save(tmp_path / name, HALF)
    assert problems(tmp_path) == [
        "images/ISIC_01.png: this image has no mask",
        "  try: does isic-1.png belong to it?",
        "images/ISIC_02.png: this image has no mask",
        "  try: add the missing mask, or move this image out of the folder",
        "images/cat.png: this image has no mask",
        "  try: add the missing mask, or move this image out of the folder",
        "masks/ISIC_03.png: this mask has no image",
        "  try: add the missing image, or move this mask out of the folder",
        "masks/isic-1.png: this mask has no image",
        "  try: does ISIC_01.png belong to it?",
    ]


def test_mask_that_the_pattern_misses_is_a_near_miss(tmp_path):
    save_pair(tmp_path / "images/lesion.png", tmp_path / "masks/lesion_msk.png")
    assert problems(tmp_path, pattern="{name}_mask") == [
        "images/lesion.png: this image has no mask",
        "  try: does lesion_msk.png belong to it?",
    ]


def test_a_similar_name_of_another_image_is_no_hint(tmp_path):
    """Other letters, other numbers, another folder, or a name that two files may mean."""
    pairs = [
        ("left_b", "left_c"), ("ann", "anna"), ("p1_11", "p11_1"), ("site_a/7", "site_b/7"),
        ("ISIC_0041", "ISIC_0091"), ("scan-3", "scan_03_mask"), ("scan_3_b", "SCAN-3-b_seg"),
    ]  # fmt: skip
    for image, mask in pairs:
        save(tmp_path / f"images/{image}.png", picture())
        save(tmp_path / f"masks/{mask}.png", HALF)
    save_pair(tmp_path / "images/scan_3.png", tmp_path / "masks/scan_3.png")
    hints = [line for line in problems(tmp_path) if "belong" in line]
    assert hints == ["  try: does SCAN-3-b_seg.png belong to it?", "  try: does scan_3_b.png belong to it?"]


@pytest.mark.posix("links need a privilege there")
def test_linked_subfolders_are_read(tmp_path):
    for kind, number in (("store", 2), (".", 1)):
        save_pair(tmp_path / kind / f"images/{number}.png", tmp_path / kind / f"masks/{number}.png")
    for kind in ("images", "masks"):
        (tmp_path / kind / "site").symlink_to(tmp_path / "store" / kind)
    assert names(splits(tmp_path)["train"]) == ["1", "site/2"]


@pytest.mark.posix("links need a privilege there")
def test_an_image_that_cannot_be_read_is_told_instead_of_its_missing_partner(tmp_path):
    for name in ("a", "b", "c"):
        save_pair(tmp_path / f"images/{name}.png", tmp_path / f"masks/{name}.png")
    (tmp_path / "images/a.png").rename(tmp_path / "images/a.JXL")
    (tmp_path / "masks/b.png").rename(tmp_path / "masks/b.dcm")
    (tmp_path / "images/c.png").unlink()
    (tmp_path / "images/c.png").symlink_to("../.git/annex/objects/1.png")
    convert = "  try: convert it; PNG, JPEG, BMP, TIFF, GIF, WebP, PPM, HEIC, AVIF and NPY are read"
    assert problems(tmp_path) == [
        "masks/b.dcm: DCM files are not read",
        convert,
        "images/a.JXL: JXL files are not read",
        convert,
        "images/c.png: this is a placeholder of git-annex, not the data itself",
        "  try: fetch the data with 'git annex get'",
    ]


def test_a_folder_of_images_that_are_not_read_is_not_called_empty(tmp_path):
    for name in ("a", "b", "c"):
        save_pair(tmp_path / f"images/{name}.png", tmp_path / f"masks/{name}.png")
        (tmp_path / f"images/{name}.png").rename(tmp_path / f"images/{name}.JXL")
    assert [line.partition(": ")[2] for line in problems(tmp_path)[::2]] == ["JXL files are not read"] * 3


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_name_may_be_composed_in_one_folder_and_decomposed_in_the_other(tmp_path, form):
    save_pair(tmp_path / "images/Mu\u0308ller.png", tmp_path / "masks/M\u00fcller_Fl\u00e4che.png")
    pattern = normalize(form, "{name}_Fl\u00e4che")
    assert names(splits(tmp_path, pattern=pattern)["train"]) == ["M\u00fcller"]


@pytest.mark.posix("links need a privilege there")
def test_a_split_that_is_not_there_is_told(tmp_path):
    for split in ("train", "val"):
        save_pair(tmp_path / f"images/{split}/a.png", tmp_path / f"masks/{split}/a.png")
    (tmp_path / "images/test").symlink_to("/nowhere")
    (tmp_path / "images/val.dvc").touch()  # beside the folder: it is there
    assert problems(tmp_path)[0] == "images/test: this is a link to /nowhere, which does not exist"
    (tmp_path / "images/test").rename(tmp_path / "images/site")
    assert problems(tmp_path)[0] == "images: site: not in any split"
    (tmp_path / "images/site").unlink()
    (tmp_path / "images/test.dvc").touch()
    assert problems(tmp_path)[0] == "images/test.dvc: this is a placeholder of DVC, not the data itself"


def test_folders_of_a_whole_drive_are_no_images(tmp_path):
    for split in ("train", "val"):
        save_pair(tmp_path / f"images/{split}/a.png", tmp_path / f"masks/{split}/a.png")
    (tmp_path / "images/lost+found").mkdir()
    assert [*splits(tmp_path)] == ["train", "val"]


def test_two_files_of_one_name_are_refused(tmp_path):
    save_pair(tmp_path / "images/a.png", tmp_path / "masks/a.png")
    save(tmp_path / "images/a.jpg", picture())
    first, second = problems(tmp_path)
    assert first == "images/a.png: two files are called 'a'"
    assert second == "  try: the other is images/a.jpg; move one of them out of the folder"


def test_missing_folder_is_named(tmp_path):
    assert problems(tmp_path) == ["images: there is no such folder", "masks: there is no such folder"]
    (tmp_path / "masks").mkdir()
    assert problems(tmp_path) == ["images: there is no such folder"]


def test_unreadable_image_and_mask_are_reported_together(tmp_path):
    for file in (tmp_path / "images/a.png", tmp_path / "masks/a.png"):
        file.parent.mkdir()
        file.touch()
    with pytest.raises(
        DataError, match=r"images/a\.png: the file is empty(.|\n)*masks/a\.png: the file is empty"
    ):
        splits(tmp_path)["train"][0].read()


def test_multilabel_task_is_refused(tmp_path):
    with pytest.raises(PartError, match="a multilabel task has one per class\n  try: the source manifest"):
        splits(tmp_path, task=MULTILABEL)


@pytest.mark.parametrize("key", ["pattern", "image_pattern", "mask_pattern"])
@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("mask", "a pattern contains {name}, as in '{name}_mask'"),
        ("{name}_{id}", r"{id} means nothing here: use {name}, {split}, \*"),
    ],
)
def test_pattern_holds_the_name(key, pattern, message):
    with pytest.raises(ValidationError, match=message):
        FOLDER.schema(**{"images": "a", "masks": "b", key: pattern})


def test_coloured_masks_are_read_by_class(tmp_path):
    save(tmp_path / "images/a.png", picture())
    (tmp_path / "masks").mkdir()
    palette(HALF, [(0, 0, 0), (255, 0, 0)]).convert("RGB").save(tmp_path / "masks/a.png")
    for task, colours in (
        (BINARY, {"lesion": "#FF0000"}),
        (MULTICLASS, {"skin": "#000000", "lesion": "#ff0000", "hair": "#00ff00"}),
    ):
        _, mask = splits(tmp_path, task=task, colours=colours)["train"][0].read()
        np.testing.assert_array_equal(mask, HALF)
    ignoring = replace(BINARY, ignore_index=9)
    colours = {"lesion": "#000000", "background": "#ffffff", "ignore": "#ff0000"}
    _, mask = splits(tmp_path, task=ignoring, colours=colours)["train"][0].read()
    np.testing.assert_array_equal(mask, np.where(HALF, 9, 1))


@pytest.mark.parametrize(
    ("task", "colours", "message"),
    [
        (BINARY, {}, "no colour for lesion\n  try: name lesion, background"),
        (BINARY, {"leison": "#ff0000"}, "no colour for lesion; no class is called leison"),
        (BINARY, {"lesion": "#000000"}, "0 is lesion here: name the values of the background too"),
        (MULTICLASS, {"skin": "#000000", "lesion": "#ff0000"}, "no colour for hair"),
        (BINARY, {"lesion": "#ff0000", "ignore": "#00ff00"}, "no class is called ignore"),
    ],
)
def test_colours_fit_the_classes(tmp_path, task, colours, message):
    with pytest.raises(PartError, match=f"data.source.colours: {message}"):
        splits(tmp_path, task=task, colours=colours)


def test_pattern_that_fits_no_mask_is_said_once_with_one_that_fits(tmp_path):
    for name in "abc":
        save_pair(tmp_path / f"images/IMG_{name}.png", tmp_path / f"masks/IMG_{name}_seg.png")
    assert problems(tmp_path, pattern="{name}_mask") == [
        "masks: no mask matches any image with the pattern '{name}_mask'",
        "  try: data.source.mask_pattern: '{name}_seg'",
    ]


def test_pattern_that_fits_few_masks_by_chance_is_no_hint(tmp_path):
    for image, mask in (("1", "scan_12"), ("2", "scan_33"), ("3", "scan_47"), ("4", "other")):
        save_pair(tmp_path / f"images/{image}.png", tmp_path / f"masks/{mask}.png")
    assert problems(tmp_path)[1] == "  try: a mask is called other, an image 1"


def test_folder_without_images_is_said_once(tmp_path):
    for name in "abc":
        save_pair(tmp_path / f"images/{name}.png", tmp_path / f"masks/{name}.png")
        (tmp_path / f"images/{name}.png").unlink()
    assert problems(tmp_path) == [
        "images: there are no images in this folder",
        "  try: .png, .jpg, .jpeg, .bmp, .tif, .tiff, .gif, .webp, .pbm, .pgm, .ppm, "
        ".pnm, .heic, .heif, .hif, .avif, .npy, .mat",
    ]


def test_names_that_have_nothing_in_common_are_shown(tmp_path):
    for name in "abc":
        save_pair(tmp_path / f"images/photo_{name}.png", tmp_path / f"masks/outline_{name}.png")
        (tmp_path / f"masks/outline_{name}.png").rename(tmp_path / f"masks/outline_{name * 2}.png")
    assert problems(tmp_path) == [
        "masks: no mask matches any image with the pattern '{name}'",
        "  try: a mask is called outline_aa, an image photo_a",
    ]


@pytest.mark.parametrize(
    ("value", "colours", "problem"),
    [
        (
            "Lesion",
            None,
            "data.labels: lesion is 'Lesion', but a mask file holds numbers and colours\n  try: write a",
        ),
        (
            1,
            {"lesion": "#ff0000"},
            "data.labels and data.source.colours both say what colours mean\n  try: keep",
        ),
    ],
)
def test_labels_that_mask_files_cannot_hold_are_refused(tmp_path, value, colours, problem):
    with pytest.raises(PartError, match=problem):
        splits(tmp_path, task=replace(BINARY, labels=(("lesion", (value,)),)), colours=colours)


def test_patterns_on_both_sides_with_the_split_first(tmp_path):
    """The folders of DRIVE: other files beside images and masks are left out."""
    for folder, name in (("training", "21"), ("training", "22"), ("test", "01")):
        image = tmp_path / f"{folder}/images/{name}_{folder}.tif"
        save_pair(image, tmp_path / f"{folder}/1st_manual/{name}_manual1.gif")
        save(tmp_path / f"{folder}/mask/{name}_{folder}_mask.gif", HALF)
    patterns = {
        "image_pattern": "{split}/images/{name}_{split}", "mask_pattern": "{split}/1st_manual/{name}_manual1"
    }  # fmt: skip
    found = splits(tmp_path, "", "", **patterns)
    assert {split: names(samples) for split, samples in found.items()} == {
        "test": ["01"],
        "train": ["21", "22"],
    }
    np.testing.assert_array_equal(found["test"][0].read()[1], HALF)
    (tmp_path / "test/1st_manual/01_manual1.gif").rename(tmp_path / "test/1st_manual/1_manual1.gif")
    (tmp_path / "training/1st_manual/22_manual1.gif").rename(tmp_path / "training/1st_manual/22Manual1.gif")
    assert problems(tmp_path, "", "", **patterns) == [
        "test/images/01_test.tif: this image has no mask",
        "  try: does 1_manual1.gif belong to it?",
        "training/images/22_training.tif: this image has no mask",
        "  try: does 22Manual1.gif belong to it?",
        "test/1st_manual/1_manual1.gif: this mask has no image",
        "  try: does 01_test.tif belong to it?",
    ]


def test_splits_go_by_other_names_too(tmp_path):
    for folder, split, name in (
        ("Training", "TRAIN", "a"),
        ("valid", "validation", "b"),
        ("testing", "test", "c"),
    ):
        save_pair(tmp_path / f"images/{folder}/{name}.png", tmp_path / f"masks/{split}/{name}.png")
    assert {split: names(part) for split, part in splits(tmp_path).items()} == {
        "train": ["a"], "val": ["b"], "test": ["c"],
    }  # fmt: skip
    save_pair(tmp_path / "images/val/d.png", tmp_path / "masks/validation/d.png")
    assert problems(tmp_path)[:2] == [
        "images: the folders val, valid are all the split val",
        "  try: give one of them another name, or move its files",
    ]


def test_an_image_pattern_with_folders_names_them_itself(tmp_path):
    for name in ("train/a", "test/b"):
        save_pair(tmp_path / f"{name}/image.png", tmp_path / f"{name}/mask.png")
    found = splits(tmp_path, "", "", image_pattern="{name}/image", mask_pattern="{name}/mask")
    assert names(found["train"]) == ["test/b", "train/a"]


def test_masks_of_objects_become_one_foreground(tmp_path):
    left, right = HALF.copy(), HALF.copy()
    left[:, 4:], right[:, :4] = 0, 0
    save(tmp_path / "a/images/a.png", picture())
    save(tmp_path / "a/masks/1.png", left * 255)
    save(tmp_path / "a/masks/2.png", right)
    save(tmp_path / "b/images/b.png", picture())
    save(tmp_path / "b/masks/1.tif", (left * 7 + right * np.uint16(300)))  # a number for each object
    patterns = {"image_pattern": "{name}/images/{name}", "mask_pattern": "{name}/masks/*"}
    first, second = splits(tmp_path, "", "", **patterns, instances="union")["train"]
    assert [file.name for file in first.files] == ["a.png", "1.png", "2.png"]
    for sample in (first, second):
        np.testing.assert_array_equal(sample.read()[1], HALF)
        np.testing.assert_array_equal(sample.read_at((6, 5))[1], HALF[1::2, 1::2])
    ignoring = replace(BINARY, ignore_index=7)
    second = splits(tmp_path, "", "", ignoring, **patterns, instances="union")["train"][1]
    np.testing.assert_array_equal(second.read()[1], left * 7 + right)
    assert problems(tmp_path, "", "", **patterns) == [
        "a/masks/2.png: two files fit the pattern '{name}/masks/*' with the name 'a'",
        "  try: the other is a/masks/1.png; if each is the mask of one object, data.source.instances: union",
    ]
    (tmp_path / "c/masks").mkdir(parents=True)
    save(tmp_path / "c/images/c.png", picture())
    assert problems(tmp_path, "", "", **patterns, instances="union") == [
        "c/images/c.png: this image has no mask",
        "  try: if it shows no object, add a black mask; else add its masks, or move it away",
    ]
    shutil.rmtree(tmp_path / "c")
    save(tmp_path / "a/masks/2.png", right[:6])
    save(tmp_path / "b/masks/1.png", picture())
    (tmp_path / "b/masks/1.tif").unlink()
    first, second = splits(tmp_path, "", "", **patterns, instances="union")["train"]
    with pytest.raises(
        DataError, match=r"2\.png: the mask is 10x6 pixels, another one 10x12\n.*masks/1\.png"
    ):
        first.read()
    with pytest.raises(DataError, match=r"1\.png: the mask is in colour\n  try: save a grey number"):
        second.read()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pattern": "{name}_a", "mask_pattern": "{name}_b"}, "pattern and mask_pattern are the same option"),
        ({"image_pattern": "{split}/{name}"}, r"only one of the patterns has {split}: {split}/{name} and"),
        ({"instances": "union", "task": MULTICLASS}, "instances: union makes one foreground of all objects"),
        ({"instances": "union", "colours": {"lesion": "#ff0000"}}, "it needs a binary task without labels"),
    ],
)  # fmt: skip
def test_options_that_contradict_are_refused(tmp_path, options, message):
    with pytest.raises(PartError, match=message):
        splits(tmp_path, **options)


def test_image_pattern_that_fits_no_image_is_told(tmp_path):
    for name in "abc":
        save_pair(tmp_path / f"images/{name}_rgb.png", tmp_path / f"masks/{name}.png")
    assert problems(tmp_path, image_pattern="{name}_training") == [
        "images: no image fits data.source.image_pattern '{name}_training'",
        "  try: one is called a_rgb",
    ]
    assert problems(tmp_path, image_pattern="{split}/{name}", mask_pattern="{split}/{name}_mask") == [
        "images: no image fits data.source.image_pattern '{split}/{name}'",
        "  try: one is called a_rgb",
    ]
    assert problems(tmp_path) == [
        "masks: no mask matches any image with the pattern '{name}'",
        "  try: data.source.image_pattern: '{name}_rgb'",
    ]
    assert names(splits(tmp_path, image_pattern="{name}_rgb")["train"]) == ["a", "b", "c"]


def test_images_that_the_pattern_misses_are_a_warning(tmp_path):
    for name in "abc":
        save_pair(tmp_path / f"images/{name}_rgb.png", tmp_path / f"masks/{name}.png")
        save(tmp_path / f"images/{name}_depth.png", picture())
    options = {"images": tmp_path / "images", "masks": tmp_path / "masks", "image_pattern": "{name}_rgb"}
    scan = FOLDER.factory(BINARY, 3, **options).scan()
    assert [warning.problem for warning in scan.warnings] == [
        "3 of the files beside images do not fit data.source.image_pattern: "
        "a_depth.png, b_depth.png, c_depth.png"
    ]
    assert names(scan.whole()["train"]) == ["a", "b", "c"]


def test_test_images_without_any_mask_are_a_warning(tmp_path):
    """Other splits need their masks."""
    for name in ("train/a", "train/b", "val/c", "test/d", "test/e"):
        save(tmp_path / f"{name}.jpg", picture())
    for name in ("train_masks/a", "train_masks/b", "val_masks/c"):
        save(tmp_path / f"{name}.png", HALF)
    options = {"image_pattern": "{split}/{name}", "mask_pattern": "{split}_masks/{name}"}
    scan = FOLDER.factory(BINARY, 3, images=tmp_path, masks=tmp_path, **options).scan()
    assert {split: names(samples) for split, samples in scan.whole().items()} == {
        "train": ["a", "b"],
        "val": ["c"],
    }
    assert [warning.problem for warning in scan.warnings] == [
        "none of the 2 test images has a mask: they are not used"
    ]
    (tmp_path / "val_masks/c.png").unlink()
    assert problems(tmp_path, "", "", **options)[0] == "val/c.jpg: this image has no mask"
    save(tmp_path / "test_masks/d.png", HALF)
    assert "test/e.jpg: this image has no mask" in problems(tmp_path, "", "", **options)

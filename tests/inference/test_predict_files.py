"""Files, folders and patterns in; masks under the images' names out; nothing is lost on the way."""

from __future__ import annotations

import errno
import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from segkit.core.errors import SegkitError
from segkit.core.types import Task
from segkit.inference.inputs import check_out_folder, check_overwriting, find_inputs
from segkit.inference.options import PredictOptions, ProbabilityFormat
from segkit.inference.outputs import Outputs
from segkit.inference.predict_files import predict_files
from segkit.inference.predictor import Predictor
from segkit.inference.probability_files import MAX_UINT16
from tests.inference.networks import LABELS, LESION, PARTS, Blocks, Brightness, noise


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with photographs."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(
        ["photos/a.png", "photos/b.jpg", "photos/inside/a.tif", "photos/.hidden/c.png"]
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(60 + 10 * number, 90, seed=number)).save(path)
    (tmp_path / "photos/notes.txt").write_text("not an image")
    return tmp_path


def predicted(inputs, outputs, network=None, **ways):
    found = find_inputs(inputs).images
    check_overwriting(found, outputs, overwrite=False)
    return predict_files(
        Predictor([network or Blocks(LESION)]), found, outputs, PredictOptions(**ways)
    ).problems


def written(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("named", "names"),
    [
        (["photos"], ["a", "b", "inside/a"]),
        (["photos/"], ["a", "b", "inside/a"]),
        (["photos/a.png"], ["a"]),
        (["photos/*.jpg"], ["b"]),
        (["photos/*"], ["a", "b", "a"]),
        (["**/*.tif"], ["a"]),
        (["photos/b.jpg", "photos"], ["b", "a", "inside/a"]),
        (["photos/notes.txt"], ["notes"]),
    ],
)
def test_images_are_found_once_and_in_order(photos, named, names):
    assert [found.name for found in find_inputs(named).images] == names


def test_a_file_s_own_signs_are_no_pattern(photos):
    Image.fromarray(noise(60, 60)).save(photos / "a[1].png")
    assert [found.path.name for found in find_inputs(["a[1].png"]).images] == ["a[1].png"]


def test_what_has_no_images_is_told_all_at_once(photos):
    (photos / "empty").mkdir()
    with pytest.raises(SegkitError) as caught:
        find_inputs(["empty", "photos", "none/*.png", "photos/none.png"])
    kinds = (
        "image files end in .png, .jpg, .jpeg, .bmp, .tif, .tiff, .gif, .webp, .pbm, .pgm, .ppm, .pnm, "
        ".heic, .heif, .hif, .avif, .npy, .mat"
    )
    assert str(caught.value) == (
        f"empty: this folder has no images\n  try: {kinds}\n"
        f"none/*.png: no image matches this pattern\n  try: {kinds}\n"
        "photos/none.png: there is no such file or folder"
    )


@pytest.mark.parametrize("tile", [0, 64])
def test_masks_have_the_names_and_sizes_of_their_images(photos, tile):
    outputs = Outputs(photos / "masks", LESION.task, overlays=True, probabilities=ProbabilityFormat.png)
    assert predicted(["photos"], outputs, tile=tile) == []
    assert written(photos / "masks") == [
        "a.png", "b.png", "inside/a.png",
        "overlays/a.jpg", "overlays/b.jpg", "overlays/inside/a.jpg",
        "probabilities/a.png", "probabilities/b.png", "probabilities/inside/a.png",
    ]  # fmt: skip
    for name in ("masks/a.png", "masks/overlays/a.jpg", "masks/probabilities/a.png"):
        with Image.open(photos / name) as picture:
            assert picture.size == (90, 60)


@pytest.mark.parametrize(
    ("facts", "masks", "probabilities"),
    [
        (LESION, ["a.png"], ["probabilities/a.png"]),
        (PARTS, ["a.png"], [f"probabilities/a_{name}.png" for name in ("hair", "lesion", "skin")]),
        (
            LABELS,
            ["a_dark_hair.png", "a_lesion.png"],
            ["probabilities/a_dark_hair.png", "probabilities/a_lesion.png"],
        ),
    ],
    ids=["binary", "multiclass", "multilabel"],
)
def test_files_of_several_classes(photos, facts, masks, probabilities):
    outputs = Outputs(photos / "out", facts.task, probabilities=ProbabilityFormat.png)
    predicted(["photos/a.png"], outputs, Blocks(facts))
    assert written(photos / "out") == sorted([*masks, *probabilities])
    answer = Predictor([Blocks(facts)]).predict(photos / "photos/a.png")
    for number, name in enumerate(facts.task.classes):
        file = f"a_{name.replace(' ', '_')}" if facts is not LESION else "a"
        with Image.open(photos / f"out/probabilities/{file}.png") as picture:
            assert picture.mode == "I;16"
            assert (np.asarray(picture) == (answer.probabilities[number] * MAX_UINT16).round()).all()


def test_classes_that_differ_in_punctuation_have_files_of_their_own(tmp_path):
    task = Task("multiclass", ("background", "<50%", ">50%"))
    files = Outputs(tmp_path, task, probabilities=ProbabilityFormat.png).files("a")
    assert [file.name for file in files] == ["a.png", "a_0_background.png", "a_1__50_.png", "a_2__50_.png"]


@pytest.mark.parametrize("facts", [LESION, PARTS, LABELS], ids=["binary", "multiclass", "multilabel"])
def test_arrays_of_probabilities_are_exact(photos, facts):
    outputs = Outputs(photos / "out", facts.task, probabilities=ProbabilityFormat.npy)
    predicted(["photos/a.png"], outputs, Brightness(facts))
    answer = Predictor([Brightness(facts)]).predict(photos / "photos/a.png")
    np.testing.assert_array_equal(np.load(photos / "out/probabilities/a.npy"), answer.probabilities)


@pytest.mark.parametrize("tile", [0, 64])
def test_a_bad_file_is_told_and_the_rest_is_done(photos, tile):
    (photos / "photos/bad.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    (photos / "photos/empty.jpg").touch()
    outputs = Outputs(photos / "masks", LESION.task)
    problems = predicted(["photos", "photos/notes.txt"], outputs, tile=tile)
    assert [(Path(problem.file).name, problem.problem) for problem in problems] == [
        ("bad.png", "this is not a readable image file"),
        ("empty.jpg", "the file is empty"),
        ("notes.txt", "this is not a readable image file"),
    ]
    assert written(photos / "masks") == ["a.png", "b.png", "inside/a.png"]


@pytest.mark.posix("paths end at 259 characters there")
@pytest.mark.parametrize("tile", [0, 64])
def test_names_as_long_as_the_file_system_takes_have_masks(photos, tile):
    long = "a" * 251
    Image.fromarray(noise(40, 40)).save(photos / f"photos/{long}.png")
    outputs = Outputs(photos / "masks", LESION.task, overlays=True, probabilities=ProbabilityFormat.npy)
    assert predicted(["photos"], outputs, tile=tile) == []
    assert f"{long}.png" in written(photos / "masks")


@pytest.mark.parametrize("tile", [0, 64])
def test_a_name_without_room_for_the_class_is_told_and_the_rest_is_done(photos, tile):
    long = "a" * 244  # there is room for _lesion, and none for _dark_hair
    Image.fromarray(noise(40, 40)).save(photos / f"photos/{long}.png")
    (problem,) = predicted(["photos"], Outputs(photos / "masks", LABELS.task), Blocks(LABELS), tile=tile)
    assert str(problem) == (
        f"photos/{long}.png: the name of its mask is too long: {long}_dark_hair.png\n"
        "  try: give the image a shorter name"
    )
    names = [f"{name}_{label}.png" for name in ("a", "b", "inside/a") for label in ("dark_hair", "lesion")]
    assert written(photos / "masks") == names


def test_a_name_that_cannot_exist_is_told(photos):
    long = "a" * 300
    found = find_inputs([f"{long}.png", "photos/a.png"])
    assert [image.name for image in found.images] == ["a"]
    assert [problem.problem for problem in found.problems] == ["the file cannot be read: File name too long"]


@pytest.mark.parametrize("tile", [0, 64])
def test_an_image_too_large_for_the_memory_is_told_and_the_rest_is_done(photos, tile, monkeypatch):
    load = Image.Image.load

    def fail_at_large(image):
        if image.height == 70:
            raise MemoryError
        return load(image)

    monkeypatch.setattr(JpegImageFile, "load", fail_at_large)
    (problem,) = predicted(["photos"], Outputs(photos / "masks", LESION.task), tile=tile)
    assert str(problem) == (
        "photos/b.jpg: there is too little memory for this image\n"
        "  try: close other programs, raise the memory limit, or make the image smaller"
    )
    assert written(photos / "masks") == ["a.png", "inside/a.png"]


def test_an_image_cut_off_in_the_middle_leaves_no_mask(photos):
    image = photos / "photos/a.png"
    image.write_bytes(image.read_bytes()[:-100])
    (problem,) = predicted(["photos/a.png"], Outputs(photos / "masks", LESION.task), tile=64)
    assert problem.problem.startswith("the image is damaged: ")
    assert not (photos / "masks").exists()


def test_images_are_never_replaced(photos):
    outputs = Outputs(photos / "photos", LESION.task)
    for overwrite in (False, True):
        with pytest.raises(SegkitError) as caught:
            check_overwriting(find_inputs(["photos/a.png"]).images, outputs, overwrite=overwrite)
        assert str(caught.value) == (
            f"{photos}/photos/a.png: the mask would overwrite this image\n"
            "  try: choose another folder for --out"
        )


def test_what_is_there_is_replaced_only_if_wanted(photos):
    outputs = Outputs(photos / "masks", LESION.task)
    predicted(["photos"], outputs)
    with pytest.raises(SegkitError) as caught:
        predicted(["photos/b.jpg"], outputs)
    assert str(caught.value) == (
        f"{photos}/masks/b.png: this file already exists\n  try: use --overwrite, or another folder for --out"
    )
    check_overwriting(find_inputs(["photos"]).images, outputs, overwrite=True)


def test_two_images_of_one_name_are_refused(photos):
    with pytest.raises(SegkitError) as caught:
        predicted(["photos/a.png", "photos/inside/a.tif"], Outputs(photos / "masks", LESION.task))
    assert str(caught.value) == (
        "photos/a.png and photos/inside/a.tif would have the same mask file, a.png\n"
        "  try: rename one, use two output folders, or predict their common folder: subfolders are kept"
    )
    assert not (photos / "masks").exists()


@pytest.mark.parametrize("ignored", [True, False])
def test_images_whose_names_differ_in_case_are_refused_where_their_masks_would_be_one_file(
    photos, ignored, monkeypatch
):
    Image.fromarray(noise(40, 40)).save(photos / "photos/A.png")
    monkeypatch.setattr("segkit.inference.inputs.ignores_case", lambda folder: ignored)
    images, outputs = find_inputs(["photos/*.png"]).images, Outputs(photos / "masks", LESION.task)
    if not ignored:
        check_overwriting(images, outputs, overwrite=False)
        return
    with pytest.raises(SegkitError) as caught:
        check_overwriting(images, outputs, overwrite=False)
    assert caught.value.problems[0].problem == (
        "photos/A.png and photos/a.png would have the same mask file, a.png"
    )


def test_files_that_exist_are_counted_in_one_line(photos):
    for number in range(14):
        Image.fromarray(noise(40, 40)).save(photos / f"photos/{number}.png")
    outputs = Outputs(photos / "masks", LESION.task, overlays=True)
    predicted(["photos"], outputs)
    with pytest.raises(SegkitError) as caught:
        predicted(["photos"], outputs)
    assert str(caught.value) == (
        f"{photos}/masks: 34 files already exist: 0.png, overlays/0.jpg, 1.png, overlays/1.jpg, 10.png "
        "and 29 more\n  try: use --overwrite, or another folder for --out"
    )


def test_all_images_of_one_name_are_told(photos):
    for number in range(14):
        for ending in ("png", "bmp"):
            Image.fromarray(noise(40, 40)).save(photos / f"photos/{number}.{ending}")
    with pytest.raises(SegkitError) as caught:
        predicted(["photos"], Outputs(photos / "masks", LESION.task))
    assert len(caught.value.problems) == 14


@pytest.mark.posix("links need a privilege there")
def test_what_a_folder_holds_besides_is_named(photos):
    for name in ("scan.JXL", "volume.nii.gz", "table.csv"):
        (photos / "photos" / name).write_bytes(b"content")
    (photos / "photos/gone.png").symlink_to("nowhere.png")
    (photos / "elsewhere").mkdir()
    Image.fromarray(noise(40, 40)).save(photos / "elsewhere/z.png")
    (photos / "photos/linked").symlink_to(photos / "elsewhere")
    os.mkfifo(photos / "photos/pipe.png")
    for patterns in (["photos"], ["photos/*", "photos"]):
        found = find_inputs(patterns)
        assert sorted(image.path.as_posix() for image in found.images) == [
            "photos/a.png", "photos/b.jpg", "photos/inside/a.tif", "photos/linked/z.png",
        ]  # fmt: skip
        assert sorted(str(problem).partition("\n")[0] for problem in found.problems) == [
            "photos/gone.png: this is a link to nowhere.png, which does not exist",
            "photos/pipe.png: this is not a file",
            "photos/scan.JXL: JXL files are not read",
            "photos/volume.nii.gz: NII.GZ files are not read",
        ]
        assert found.warnings() == ["2 other files are not read: notes.txt, table.csv."]


def test_a_folder_of_images_that_are_not_read_is_told(photos):
    (photos / "scans").mkdir()
    (photos / "scans/1.dcm").write_bytes(b"content")
    with pytest.raises(SegkitError, match=r"^scans/1\.dcm: DCM files are not read\n  try: convert it; PNG"):
        find_inputs(["scans"])


@pytest.mark.posix("links need a privilege there")
def test_loops_of_links_end(photos):
    (photos / "photos/loop.png").symlink_to("loop.png")
    (photos / "photos/up").symlink_to(photos)
    found = find_inputs(["photos", "photos/loop.png"])
    assert [image.name for image in found.images] == ["a", "b", "inside/a"]
    assert sorted(str(problem).partition("\n")[0] for problem in found.problems) == [
        "photos/loop.png: the file cannot be read: Too many levels of symbolic links",
        "photos/up: this link leads to a folder that contains it, and is not followed",
    ]
    check_out_folder(photos / "photos/loop.png/out", ["photos/a.png"])
    check_overwriting(found.images, Outputs(photos / "photos/loop.png/out", LESION.task), overwrite=False)


@pytest.mark.posix("links need a privilege there")
def test_a_link_into_the_images_is_no_other_folder(photos):
    (photos / "elsewhere").symlink_to(photos / "photos")
    with pytest.raises(SegkitError, match="this folder is inside photos: the next prediction would read"):
        check_out_folder(photos / "elsewhere/masks", ["photos"])


@pytest.mark.parametrize(("image", "mask"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_in_composed_and_decomposed_unicode_are_the_same(photos, image, mask):
    names = {form: unicodedata.normalize(form, "Müller") for form in (image, mask)}
    Image.fromarray(noise(40, 40)).save(photos / f"photos/{names[image]}.png")
    (found,) = find_inputs([f"photos/{names[mask]}.png"]).images
    assert found.name == names[image]  # that of the file
    (photos / "masks").mkdir()
    (photos / f"masks/{names[mask]}.png").touch()
    with pytest.raises(SegkitError, match="this file already exists"):
        check_overwriting([found], Outputs(photos / "masks", LESION.task), overwrite=False)
    Image.fromarray(noise(40, 40)).save(photos / f"photos/{names[mask]}.png")
    with pytest.raises(SegkitError, match="would have the same mask file"):
        check_overwriting(find_inputs(["photos"]).images, Outputs(photos / "m", LESION.task), overwrite=False)


@pytest.mark.parametrize("tile", [0, 64])
def test_a_full_disk_is_told_and_leaves_no_half_mask(photos, tile, monkeypatch):
    def full(self, *given, **named):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match="No space left") as caught:
        predicted(["photos"], Outputs(photos / "masks", LESION.task), tile=tile)
    assert Path(caught.value.filename).suffix == ".png"
    assert written(photos / "masks") == []


def test_progress_tells_of_images(photos):
    told = []
    found = find_inputs(["photos"]).images
    outputs = Outputs(photos / "masks", LESION.task)
    predict_files(Predictor([Blocks()]), found, outputs, PredictOptions(), lambda *words: told.append(words))
    assert told == [("images", 1, 3), ("images", 2, 3), ("images", 3, 3)]
    of_two = [
        ("images", 0, 2, "window 2 of 4"), ("images", 0, 2, "window 4 of 4"), ("images", 1, 2),
        ("images", 1, 2, "window 2 of 4"), ("images", 1, 2, "window 4 of 4"), ("images", 2, 2),
    ]  # fmt: skip
    options = PredictOptions(tile=64, batch_size=2)
    for inputs, expected in ((found[:1], [("windows", 2, 2), ("images", 1, 1)]), (found[1:], of_two)):
        told.clear()
        predict_files(Predictor([Blocks()]), inputs, outputs, options, lambda *words: told.append(words))
        assert told == expected

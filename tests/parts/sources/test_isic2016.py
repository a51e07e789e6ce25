"""The ISIC 2016 folders: the real images where they are, and what may be wrong with a copy of them."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segkit.core.errors import DataError, PartError
from segkit.core.registry import SOURCES
from segkit.data.preprocess import prepare
from segkit.parts.sources.isic2016 import FOLDERS
from tests.data.cases import BINARY, MULTICLASS, names, save_pair


def splits(root: Path, task=BINARY):
    return SOURCES.get("isic2016").factory(task, 3, root=root).splits()


def pair(root: Path, split: str, name: str) -> tuple[Path, Path]:
    images, masks = (root / folder for folder in FOLDERS[split])
    return images / f"{name}.jpg", masks / f"{name}_Segmentation.png"


@pytest.fixture(scope="module")
def real() -> Path:
    if not (shared := os.environ.get("SEGKIT_TEST_DATA")):
        pytest.skip("SEGKIT_TEST_DATA names no folder with data/isic2016")
    return Path(shared) / "data/isic2016"


@pytest.fixture
def copy(real, tmp_path) -> Path:
    """Two pairs of training, one of test."""
    for split, wanted in (("train", 2), ("test", 1)):
        for folder in FOLDERS[split]:
            (tmp_path / folder).mkdir()
        for sample in splits(real)[split][:wanted]:
            for file in sample.files:
                shutil.copy(file, tmp_path / file.relative_to(real))
    return tmp_path


def test_real_images_all_have_masks_of_their_size(real):
    found = splits(real)
    assert {split: len(samples) for split, samples in found.items()} == {"train": 788, "test": 329}
    for samples in found.values():
        for sample in samples:
            image, mask = map(Image.open, sample.files)
            with image, mask:
                assert image.size == mask.size, sample.name


def test_real_images_are_prepared(real):
    samples = [sample for split in splits(real).values() for sample in split[::100]]
    prepared = prepare(samples, (128, 128), BINARY, 3)
    assert prepared.images.shape == (len(samples), 128, 128, 3)
    assert (prepared.masks.max(axis=(1, 2)) == 1).all()
    assert 30 < prepared.images.mean() < 220
    # lesions are darker than the skin around them
    assert prepared.images[prepared.masks == 1].mean() < prepared.images[prepared.masks == 0].mean()


def test_everything_that_is_wrong_with_the_files_is_reported_together(copy):
    found = splits(copy)
    (first, first_mask), (_, second_mask), (third, third_mask) = (
        sample.files for split in ("train", "test") for sample in found[split]
    )
    first.write_bytes(first.read_bytes()[:2000])
    with Image.open(first_mask) as mask:
        values = np.asarray(mask).copy()
    values[:2, :3] = 7, 100, 200
    Image.fromarray(values).save(first_mask)
    second_mask.write_text("<html>not found</html>", encoding="utf-8")
    Image.new("L", (5, 4)).save(third_mask)
    with pytest.raises(DataError) as error:
        prepare([*found["train"], *found["test"]], (32, 32), BINARY, 3)
    problems = error.value.problems
    assert [problem.file for problem in problems] == [*map(str, (first, first_mask, second_mask, third_mask))]
    for problem, told in zip(
        problems,
        (
            "the image is damaged: image file is truncated",
            "a binary mask must hold 0 and one other value; this one holds 0, 7, 100, 200, 255",
            "this is not a readable image file",
            "the mask is 5x4 pixels, its image ",
        ),
        strict=True,
    ):
        assert told in problem.problem
    assert problems[3].hint == f"the image is {third}"


def test_every_missing_partner_of_all_splits_is_reported(tmp_path):
    for split, name in (("train", "ISIC_0000001"), ("train", "ISIC_0000002"), ("test", "ISIC_0000003")):
        save_pair(*pair(tmp_path, split, name))
    (image, _), (_, mask), (_, other) = (
        pair(tmp_path, *which)
        for which in (("train", "ISIC_0000001"), ("train", "ISIC_0000002"), ("test", "ISIC_0000003"))
    )
    image.unlink()
    mask.unlink()
    other.rename(other.with_name("ISIC_0000003.png"))
    with pytest.raises(DataError) as error:
        splits(tmp_path)
    assert [(problem.problem, Path(problem.file).name, problem.hint) for problem in error.value.problems] == [
        (
            "this image has no mask",
            "ISIC_0000002.jpg",
            "add the missing mask, or move this image out of the folder",
        ),
        (
            "this mask has no image",
            "ISIC_0000001_Segmentation.png",
            "add the missing image, or move this mask out of the folder",
        ),
        ("this image has no mask", "ISIC_0000003.jpg", "does ISIC_0000003.png belong to it?"),
    ]


def test_samples_are_called_as_their_images(tmp_path):
    save_pair(*pair(tmp_path, "train", "ISIC_2"))
    save_pair(*pair(tmp_path, "train", "ISIC_1"))
    save_pair(*pair(tmp_path, "test", "ISIC_3"))
    found = splits(tmp_path)
    assert names(found["train"]) == ["ISIC_1", "ISIC_2"]
    assert names(found["test"]) == ["ISIC_3"]


def test_missing_folders_say_how_to_get_them(tmp_path):
    save_pair(*pair(tmp_path, "train", "ISIC_1"))
    with pytest.raises(DataError) as error:
        splits(tmp_path)
    assert str(error.value) == (
        f"{tmp_path}: the ISIC 2016 images were not found: missing folder ISBI2016_ISIC_Part1_Test_Data, "
        "ISBI2016_ISIC_Part1_Test_GroundTruth\n  try: download them with 'segkit data fetch isic2016', "
        "set data.source.root to their folder, or run the recipe on synthetic lesions with demo=True"
    )


def test_other_tasks_are_refused():
    with pytest.raises(
        PartError, match=r"isic2016 has binary masks, not multiclass ones\n  try: data\.task: binary"
    ):
        splits(Path("none"), MULTICLASS)

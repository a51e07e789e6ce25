"""Which images a run is scored on, and what is told of them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import segkit
from segkit.core.errors import SegkitError
from segkit.inference.evaluation.evaluation import EvaluateOptions
from segkit.inference.evaluation.select_images import _pool_splits, choose_images
from segkit.inference.evaluation.split_choice import SplitChoice
from segkit.recipe import load_recipe
from segkit.recipe.dataset import find_samples
from segkit.runs.run_dir import RunDir
from tests.inference.evaluation.conftest import drawn, like, samples_of, scored


def test_which_images(run: RunDir) -> None:
    train = scored(run, asking=EvaluateOptions(split=SplitChoice.train))
    assert (str(train.images), len(train.names)) == ("10 train images", 10)
    everything = scored(run, asking=EvaluateOptions(split=SplitChoice.all))
    assert str(everything.images) == "all 15 images"
    with pytest.raises(SegkitError) as caught:
        scored(run, asking=EvaluateOptions(split=SplitChoice.val))
    assert str(caught.value) == (
        "synthetic_lesions: there are no val images\n  try: use --split train or --split test or --split all"
    )


def test_masks_of_other_images_are_scored_as_they_are_in_their_files(run: RunDir, tmp_path: Path) -> None:
    sizes = {"a": (50, 41), "b": (33, 64), "c": (34, 34), "d": (64, 64), "e": (64, 37)}
    source = drawn(tmp_path, sizes)
    images, masks = tmp_path / "images", tmp_path / "masks"
    for sample, (name, (width, height)) in zip(samples_of(run), sizes.items(), strict=True):
        pixels, labels = (one[-height:, -width:] for one in sample.read())
        Image.fromarray(pixels).save(images / f"{name}.png")
        Image.fromarray(labels * np.uint8(255)).save(masks / f"{name}.png")
    found = scored(run, overrides=(source,))
    assert (str(found.images), found.names) == ("all 5 images", [*sizes])
    predictor, expected = segkit.load(run), []
    for name in sizes:
        predicted = predictor.predict(images / f"{name}.png").mask > 0
        truth = np.array(Image.open(masks / f"{name}.png")) > 0
        expected.append((predicted & truth).sum() / (predicted | truth).sum())
    assert found.scores.per_image["iou"] == pytest.approx(expected, abs=1e-12)
    assert len({*expected}) > 3  # the model says something of them
    assert found.warnings == []


@pytest.mark.slow
def test_of_another_source_its_own_test_images_are_taken_or_its_val_images(
    run: RunDir, tmp_path: Path
) -> None:
    elsewhere = "data.source={name: synthetic_lesions, train: 4, test: 2, size: 64, seed: 9}"
    assert str(scored(run, overrides=(elsewhere,)).images) == "2 test images"
    divided = (elsewhere, "data.split={by: fraction, val: 0.25}")
    assert (
        str(scored(run, overrides=divided, asking=EvaluateOptions(True, split=SplitChoice.val)).images)
        == "1 val image"
    )
    names = "abcdefgh"
    split = tmp_path / "split.csv"
    split.write_text(
        "name,split\n" + "".join(f"{name},{'train' if name < 'g' else 'val'}\n" for name in names)
    )
    some = (
        drawn(tmp_path / "some", dict.fromkeys(names, (40, 30))),
        f"data.split={{by: file, file: {split}}}",
    )
    found = scored(run, overrides=some)
    assert (str(found.images), found.names) == ("2 val images", ["g", "h"])


def test_a_division_of_the_run_s_own_images_is_not_carried_to_others(run: RunDir, tmp_path: Path) -> None:
    """The folder has no image that the run's file names."""
    split = tmp_path / "split.csv"
    split.write_text("name,split\nx,train\ny,val\n")
    divided = like(run, tmp_path / "small" / "001", split={"by": "file", "file": str(split)})
    found = scored(divided, overrides=(drawn(tmp_path / "some", {"a": (40, 30)}),))
    assert str(found.images) == "all 1 image"


def test_a_run_without_test_images_is_scored_on_those_that_it_reports(run: RunDir, tmp_path: Path) -> None:
    source = {"name": "synthetic_lesions", "train": 4, "test": 0, "size": 64}
    divided = like(run, tmp_path / "small/001", source=source, split={"by": "fraction", "val": 0.5})
    assert str(scored(divided).images) == "2 val images"


def test_names_that_two_splits_have_are_told_apart(run: RunDir) -> None:
    elsewhere = "data.source={name: synthetic_lesions, train: 2, test: 1, size: 64}"
    recipe = load_recipe(run.recipe, [elsewhere])
    whole = choose_images(recipe, [elsewhere], SplitChoice.all).samples
    names = {split: [sample.name for sample in found] for split, found in find_samples(recipe).items()}
    assert [sample.name for sample in whole] == [*names["train"], *names["test"]]
    twice = _pool_splits({"train": whole[:2], "test": whole[1:]})
    first, both, last = (sample.name for sample in whole)
    assert [sample.name for sample in twice] == [first, f"train/{both}", f"test/{both}", last]


def test_images_that_were_trained_on_are_told_of(run: RunDir) -> None:
    other, warning = scored(run, asking=EvaluateOptions(split=SplitChoice.all)).warnings
    assert other == "The images are not those that the run reports its scores on."
    first = ", ".join(sample.name for sample in find_samples(load_recipe(run.recipe))["train"][:3])
    assert warning == (
        f"10 of the 15 scored images were among the training images of small/001 ({first} and 7 more): "
        "this is not a score on unseen images."
    )


def test_every_member_is_asked_whether_it_was_trained_on_the_images(run: RunDir, tmp_path: Path) -> None:
    drawn(tmp_path / "own", dict.fromkeys("abc", (40, 30)))
    source = {
        "name": "folder",
        "images": str(tmp_path / "own" / "images"),
        "masks": str(tmp_path / "own" / "masks"),
    }
    members = []
    for name, kept in (("honest", "c"), ("other", "a")):
        split = tmp_path / f"{name}.csv"
        split.write_text(
            "name,split\n" + "".join(f"{one},{'test' if one == kept else 'train'}\n" for one in "abc")
        )
        divided = {"by": "file", "file": str(split)}
        members.append(like(run, tmp_path / name / "001", source=source, split=divided))
    assert scored(*members).warnings == [
        "1 of the 1 scored images was among the training images of other/001 (c): "
        "this is not a score on unseen images."
    ]


def test_a_copy_of_a_training_image_in_the_run_s_own_test_split_is_told_of(
    run: RunDir, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    drawn(own, dict.fromkeys("abc", (40, 30)))
    shutil.copy(own / "images/a.png", own / "images/c.png")
    (tmp_path / "split.csv").write_text("name,split\na,train\nb,train\nc,test\n", encoding="utf-8")
    source = {"name": "folder", "images": str(own / "images"), "masks": str(own / "masks")}
    divided = {"by": "file", "file": str(tmp_path / "split.csv")}
    assert scored(like(run, tmp_path / "runs/001", source=source, split=divided)).warnings[-1] == (
        "1 of the 1 scored images was among the training images of runs/001 (c): "
        "this is not a score on unseen images."
    )


def test_images_that_only_have_the_name_of_training_images_are_told_of_apart(run: RunDir) -> None:
    elsewhere = ("data.source={name: synthetic_lesions, train: 4, test: 0, size: 64, seed: 9}",)
    found = scored(run, overrides=elsewhere)
    assert str(found.images) == "all 4 images"
    (warning,) = found.warnings
    assert warning.startswith("4 of the 4 scored images have the names of training images of small/001 (")


@pytest.mark.slow
@pytest.mark.parametrize("native", [False, True])
def test_images_scaled_very_differently_from_training_images_are_told_of(
    run: RunDir, tmp_path: Path, native: bool
) -> None:
    assert run.read_environment().image_scales == (0.5, 0.5)
    asking = EvaluateOptions(native=native)
    usual = drawn(tmp_path / "usual", {"a": (64, 64), "b": (100, 60)})
    assert "of their size" not in " ".join(scored(run, asking=asking, overrides=(usual,)).warnings)
    large = drawn(tmp_path / "large", {"a": (640, 640), "b": (64, 64)})
    assert "of their size" not in " ".join(scored(run, asking=asking, overrides=(large,)).warnings)
    squares = np.indices((640, 640)).sum(0) // 20 % 2  # as many as in 100 patches
    Image.fromarray((255 * squares).astype(np.uint8)).save(tmp_path / "large/masks/a.png")
    warning = scored(run, asking=asking, overrides=(large,)).warnings[-1]
    assert warning.startswith("1 of 2 sampled images is scaled to 0.05 of its size for the model, its ")
    assert "training images to 0.5 of theirs, and masks have " in warning


def test_that_training_images_are_gone_is_told(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(recipe: Any) -> Any:
        raise SegkitError("there is no such folder", where="photos", hint="look\nfor it")

    monkeypatch.setattr("segkit.inference.evaluation.leaks.scan_splits", gone)
    (warning,) = scored(run, overrides=("data.source.seed=9",)).warnings
    assert warning == (
        "Cannot check whether small/001 was trained on some of these images: photos: there is no such folder."
    )


def test_damaged_files_are_all_named(run: RunDir, tmp_path: Path) -> None:
    """In the first images that are scored at once, and in the last; an image and its mask too."""
    source = drawn(tmp_path, dict.fromkeys("abcdefghi", (40, 30)))
    images, masks = tmp_path / "images", tmp_path / "masks"
    (images / "a.png").write_bytes(b"no image")
    for broken in (masks / "c.png", images / "i.png", masks / "i.png"):
        broken.write_bytes(broken.read_bytes()[:60])
    with pytest.raises(SegkitError) as caught:
        scored(run, overrides=(source,))
    places = [images / "a.png", masks / "c.png", images / "i.png", masks / "i.png"]
    assert [problem.file for problem in caught.value.problems] == [str(place) for place in places]


def test_a_mask_of_another_size_is_named(run: RunDir, tmp_path: Path) -> None:
    for folder, size in (("images", (40, 30)), ("masks", (40, 31))):
        (tmp_path / folder).mkdir()
        Image.new("L", size, 255).save(tmp_path / folder / "a.png")
    source = f"data.source={{name: folder, images: {tmp_path / 'images'}, masks: {tmp_path / 'masks'}}}"
    with pytest.raises(SegkitError) as caught:
        scored(run, overrides=(source,))
    assert str(caught.value) == (
        f"{tmp_path / 'masks/a.png'}: the mask is 40x31 pixels, its image 40x30\n"
        f"  try: the image is {tmp_path / 'images/a.png'}"
    )

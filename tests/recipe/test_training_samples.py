"""Samples of the training epochs, as a recipe asks for them."""

from pathlib import Path

import numpy as np
import pytest

from segkit.core.errors import DataError
from segkit.core.types import Sample
from segkit.data.preprocess import Prepared
from segkit.data.sample_epoch import NO_TARGET
from segkit.recipe.training_samples import TrainingSamples, training_samples
from tests.recipe.cases import loaded

# Which classes each of eight masks shows.
SHOWN = [(0,), (0,), (0, 1), (0,), (0, 1, 2), (0,), (0, 1), ()]
START = """
  source: {name: folder, images: a, masks: b}
  size: [8, 16]
  task: multiclass
  classes: [ground, car, tree, sign]
  sample: {epoch: 24}
"""


def train(multilabel: bool = False) -> Prepared:
    masks = np.full((8, 20, 30), 255, np.uint8)
    for mask, classes in zip(masks, SHOWN, strict=True):
        for number in classes:
            mask[number::3] = number
    if multilabel:
        masks = np.stack([masks == label for label in (1, 2)], axis=-1).astype(np.uint8)
    return Prepared(
        [f"p{index // 3}_{index}" for index in range(8)], np.zeros((8, 20, 30, 3), np.uint8), masks
    )


def made(folder: Path, *changes: str, data: str = START, multilabel: bool = False) -> TrainingSamples:
    prepared = train(multilabel)
    samples = [Sample(name, lambda: (np.zeros(0), np.zeros(0))) for name in reversed(prepared.names)]
    return training_samples(loaded(folder, changes, data=data), prepared, samples)


def test_stretch_and_letterbox_show_every_image_as_often_as_the_others(tmp_path: Path) -> None:
    for fit in ("stretch", "letterbox"):
        found = made(tmp_path, f"data.fit={fit}")
        assert np.bincount(found.epochs.of(1).image).tolist() == [3] * 8
        assert (found.windows is None) == (fit == "stretch")
        assert {*found.epochs.of(1).target} == {NO_TARGET}


def test_a_third_of_the_windows_has_any_foreground_by_default(tmp_path: Path) -> None:
    found = made(tmp_path, "data.fit=crop", "data.crop={foreground: 1.0}")
    drawn = found.epochs.of(1)
    assert np.bincount(drawn.image).tolist() == [3] * 8
    assert {*drawn.image[drawn.target == 4]} == {2, 4, 6}
    assert (drawn.target == 4).sum() == 9
    assert made(tmp_path, "data.fit=crop", "data.sample.epoch=null").epochs.samples == 8
    plain = made(
        tmp_path, "data.fit=crop", "data.crop={foreground: 0, per_image: 5}", "data.sample.epoch=null"
    )
    assert plain.epochs.samples == 40
    assert plain.windows is not None
    assert plain.windows.blocks is None


def test_rare_classes_take_turns_with_the_others(tmp_path: Path) -> None:
    for classes, targets in (
        ("balanced", {1: 6, 2: 6}),
        ("[tree]", {2: 12}),
        ("[tree, ground]", {2: 6, 0: 6}),
    ):
        found = made(tmp_path, "data.fit=crop", f"data.crop={{foreground: 0.5, classes: {classes}}}")
        drawn = found.epochs.of(1)
        counted = dict(
            zip(*(values.tolist() for values in np.unique(drawn.target, return_counts=True)), strict=True)
        )
        assert counted == {NO_TARGET: 12, **targets}
        assert all(
            target in SHOWN[image]
            for image, target in zip(drawn.image, drawn.target, strict=True)
            if target >= 0
        )


def test_a_class_of_the_list_that_no_image_shows_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        made(tmp_path, "data.fit=crop", "data.crop={classes: [car, sign]}")
    assert str(error.value) == (
        "data.crop.classes: no training image shows sign\n"
        "  try: leave it out, or set classes: balanced, which takes those that are there"
    )


def test_balanced_classes_are_equally_often_in_the_images(tmp_path: Path) -> None:
    drawn = made(tmp_path, "data.sample.balance=class").epochs.of(1)
    shown = [np.mean([number in SHOWN[image] for image in drawn.image]) for number in range(3)]
    assert shown[1] >= 2 / 3
    assert shown[2] >= 1 / 3
    assert 7 not in drawn.image, "all of it is ignored"
    drawn = made(
        tmp_path, "data.sample.balance=class", "data.fit=crop", "data.crop={foreground: 1}"
    ).epochs.of(1)
    np.testing.assert_array_equal(drawn.target, [4, 1, 2] * 8)
    assert {*drawn.image[drawn.target == 4]} == {2, 4, 6}, "of ground, those with any foreground"
    labels = START.replace("[ground, car, tree, sign]", "[car, tree]").replace("multiclass", "multilabel")
    drawn = made(tmp_path, "data.sample.balance=class", data=labels, multilabel=True).epochs.of(1)
    assert {*drawn.image[2::3]} == {0, 1, 3, 5, 7}, "images without a label take turns too"


def test_balanced_groups_take_turns(tmp_path: Path) -> None:
    group = "data.split={by: fraction, val: 0.2, group: '{group}_*'}"
    drawn = made(tmp_path, "data.sample.balance=group", group).epochs.of(1)
    assert [(drawn.image // 3 == number).sum() for number in range(3)] == [8, 8, 8]
    drawn = made(
        tmp_path, "data.sample.balance=group", group, "data.fit=crop", "data.crop={foreground: 1}"
    ).epochs.of(1)
    assert {*drawn.image} == {2, 4, 6}

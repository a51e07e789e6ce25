"""synthetic_lesions: what is drawn, that it is the same every time, and that it can be learnt."""

import hashlib
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage

from segkit.core.errors import PartError
from segkit.core.registry import SOURCES
from segkit.core.types import Task
from segkit.parts.sources.synthetic_lesions import synthetic_lesions

BINARY = Task("binary", ("lesion",))
TASKS = {
    "binary": BINARY,
    "two classes": Task("multiclass", ("skin", "lesion")),
    "three classes": Task("multiclass", ("skin", "lesion", "hair")),
    "four classes": Task("multiclass", ("skin", "lesion", "hair", "ruler")),
    "one label": Task("multilabel", ("lesion",)),
    "two labels": Task("multilabel", ("lesion", "hair")),
    "three labels": Task("multilabel", ("lesion", "hair", "ruler")),
}
DIGEST = """
from segkit.core.types import Task
from segkit.parts.sources.synthetic_lesions import synthetic_lesions
import hashlib
image, mask = synthetic_lesions(Task("binary", ("lesion",)), 3, size=64).splits()["test"][7].read()
print(hashlib.sha256(image.tobytes() + mask.tobytes()).hexdigest())
"""


def samples(task: Task = BINARY, channels: int = 3, split: str = "train", **options):
    return synthetic_lesions(task, channels, **{"size": 64, **options}).splits()[split]


def digest(sample) -> str:
    image, mask = sample.read()
    return hashlib.sha256(image.tobytes() + mask.tobytes()).hexdigest()


def test_splits_hold_as_many_samples_as_asked_for():
    splits = synthetic_lesions(BINARY, 3, train=5, val=2, test=0).splits()
    assert {name: len(split) for name, split in splits.items()} == {"train": 5, "val": 2}
    assert samples(split="test")[7].name == "lesion_test_0007"


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_image_and_mask_have_the_shape_and_values_of_the_task(task, channels):
    labels = set()
    for sample in samples(task, channels, train=6, size=(40, 56), hair=1, rulers=1):
        image, mask = sample.read()
        assert image.shape == (40, 56, channels)
        assert mask.shape == ((40, 56, task.channels) if task.kind == "multilabel" else (40, 56))
        assert image.dtype == mask.dtype == np.uint8
        assert channels != 4 or (image[..., 3] == 255).all()
        labels |= set(np.unique(mask).tolist())
    assert labels == set(range(len(task.classes) if task.kind == "multiclass" else 2))


def test_masks_of_all_tasks_show_the_same_objects():
    options = {"train": 8, "hair": 1.0, "rulers": 1.0}
    for index in range(8):
        masks = {name: samples(task, **options)[index].read()[1] for name, task in TASKS.items()}
        lesion, hair, ruler = np.moveaxis(masks["three labels"], -1, 0)
        for name in ("binary", "two classes"):
            np.testing.assert_array_equal(masks[name], lesion)
        np.testing.assert_array_equal(masks["one label"], lesion[..., None])
        np.testing.assert_array_equal(masks["two labels"], masks["three labels"][..., :2])
        np.testing.assert_array_equal(masks["three classes"], np.where(hair, 2, lesion))
        np.testing.assert_array_equal(masks["four classes"], np.where(ruler, 3, masks["three classes"]))


def test_hair_over_a_lesion_counts_in_both_labels():
    masks = [sample.read()[1] for sample in samples(TASKS["two labels"], train=10, hair=1.0)]
    assert any((mask[..., 0] & mask[..., 1]).any() for mask in masks)


def test_samples_are_the_same_in_any_number_and_when_pickled():
    once = [digest(sample) for sample in samples(train=6)]
    assert [digest(sample) for sample in samples(train=9)[:6]] == once
    assert [digest(pickle.loads(pickle.dumps(sample))) for sample in samples(train=6)] == once


def test_samples_are_the_same_in_another_process():
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    done = subprocess.run([sys.executable, "-c", DIGEST], capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == digest(samples(split="test")[7]), done.stderr


def test_samples_differ_by_seed_split_and_number():
    drawn = [
        digest(sample)
        for seed in (0, 1)
        for split in ("train", "val", "test")
        for sample in samples(split=split, seed=seed, train=4, val=4, test=4)
    ]
    assert len(set(drawn)) == 2 * 3 * 4


@pytest.mark.parametrize(("option", "layer"), [("hair", 1), ("rulers", 2)])
def test_option_decides_how_many_images_have_it_and_changes_nothing_else(option, layer):
    task = TASKS["three labels"]
    with_it, without = (samples(task, train=6, **{option: share}) for share in (1.0, 0.0))
    for one, other in zip(with_it, without, strict=True):
        (_, mask), (_, bare) = one.read(), other.read()
        assert mask[..., layer].any()
        assert not bare[..., layer].any()
        rest = [index for index in range(3) if index != layer]
        np.testing.assert_array_equal(mask[..., rest], bare[..., rest])


def test_lesions_have_a_sensible_size_and_another_colour_than_the_skin_around():
    shares, differences = [], []
    for sample in samples(train=50, size=96, hair=0, rulers=0):
        image, mask = sample.read()
        shares.append(mask.mean())
        lesion = mask.astype(bool)
        around = ndimage.binary_dilation(lesion, iterations=12) & ~ndimage.binary_dilation(
            lesion, iterations=4
        )
        around &= image.max(axis=-1) > 40  # not the dark frame
        differences.append(np.median(image[around], axis=0) - np.median(image[lesion], axis=0))
    assert min(shares) > 0.01
    assert max(shares) < 0.8
    assert 0.05 < np.median(shares) < 0.4
    strongest = np.max(differences, axis=1)
    assert strongest.min() > 8
    assert np.median(strongest) > 40


def test_skin_is_anything_from_fair_to_dark():
    brightness = []
    for sample in samples(train=50):
        image, mask = sample.read()
        brightness.append(np.median(image[mask == 0]))
    assert np.quantile(brightness, 0.9) > 1.7 * np.quantile(brightness, 0.1)


@pytest.mark.parametrize("channels", [0, 2, 5])
def test_other_channels_are_refused(channels):
    with pytest.raises(
        PartError,
        match=rf"images of {channels} channels\n  try: 1 \(grey\) or 3 \(RGB\) or 4 \(RGB and alpha\)",
    ):
        synthetic_lesions(BINARY, channels)


@pytest.mark.parametrize(
    ("task", "text"),
    [
        (
            Task("multiclass", ("a", "b", "c", "d", "e")),
            "draws 2 to 4 classes for a multiclass task, not 5\n"
            "  try: classes are, in this order: background, lesion, hair, ruler; leave out the last ones",
        ),
        (
            Task("multilabel", ("a", "b", "c", "d")),
            "draws 1 to 3 classes for a multilabel task, not 4\n"
            "  try: classes are, in this order: lesion, hair, ruler",
        ),
    ],
)
def test_other_classes_are_refused(task, text):
    with pytest.raises(PartError, match=text):
        synthetic_lesions(task, 3)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"train": 0}, "greater than or equal to 1"),
        ({"size": 16}, "greater than or equal to 32"),
        ({"size": [64, 4096]}, "less than or equal to 2048"),
        ({"seed": -1}, "greater than or equal to 0"),
        ({"hair": 1.5}, "less than or equal to 1"),
    ],
)
def test_options_out_of_bounds_are_refused(options, text):
    with pytest.raises(ValueError, match=text):
        SOURCES.get("synthetic_lesions").schema(**options)


def test_options_may_come_as_yaml_gives_them():
    settings = SOURCES.get("synthetic_lesions").schema(size=[64, 96], train=3)
    assert settings.size == (64, 96)


def test_registering_imports_neither_torch_nor_scipy():
    module = "segkit.parts.sources.synthetic_lesions"
    code = f"import sys, {module}; print('torch' in sys.modules, 'scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"], done.stderr

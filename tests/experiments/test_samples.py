"""Which images are shown, and what their masks look like."""

import math

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from segkit.core.types import Task
from segkit.data.batches import TrainBatches
from segkit.data.cache.array_view import IndexedArrays
from segkit.data.fit import Fit
from segkit.data.palette import flat
from segkit.data.preprocess import Prepared
from segkit.data.resize import resize_mask
from segkit.experiments import samples
from segkit.experiments.samples import (
    PredictedMasks,
    display_of,
    pick_samples,
    predicted_masks,
    shown,
    training_samples,
)
from segkit.training.evaluate import Scores
from tests.small_runs import recipe

FABRIC = Fabric(accelerator="cpu", devices=1)
BINARY = Task("binary", ("lesion",))


class Pixel(nn.Module):
    """Every channel of the image is the logit of a class, less 100."""

    def forward(self, image):
        return image.float() - 100


def picked(values, task=BINARY, higher=True, channels=1):
    count = len(values)
    images = np.arange(count * 4 * channels, dtype=np.uint8).reshape(count, 2, 2, channels) * 5
    masks = np.zeros((count, 2, 2) + ((channels,) if task.kind == "multilabel" else ()), np.uint8)
    prepared = Prepared([f"image_{i}" for i in range(count)], images, masks)
    scores = Scores(0.0, {}, {"iou": values, "dice": [0.0] * count})
    predicted = predicted_masks(Pixel()(torch.from_numpy(images).permute(0, 3, 1, 2)), task)
    return pick_samples(
        prepared, predicted, scores, task, lambda image: image[..., :3], higher_is_better=higher
    )


@pytest.mark.parametrize(
    ("values", "higher", "expected"),
    [
        ([0.1, 0.9, 0.5, 0.4, 0.6, 0.8, 0.2, math.nan], True, ["b1", "b5", "m4", "m2", "w6", "w0"]),
        ([0.1, 0.9, 0.5, 0.4, 0.6, 0.8, 0.2, math.nan], False, ["b0", "b6", "m3", "m2", "w5", "w1"]),
        ([0.5, 0.1, 0.3, 0.4, 0.2], True, ["b0", "b3", "m2", "w4", "w1"]),
        ([0.3, 0.1, 0.4, 0.2], True, ["b2", "b0", "w3", "w1"]),
        ([0.3, 0.1, 0.2], True, ["b0", "m2", "w1"]),
        ([0.3, 0.1], True, ["b0", "w1"]),
        ([0.3, 0.1], False, ["b1", "w0"]),
        ([0.7], True, ["b0"]),
        ([math.nan, math.nan], True, []),
    ],
)
def test_best_median_and_worst_by_the_first_metric(values, higher, expected):
    samples = picked(values, higher=higher)
    assert [
        sample.record.rank[0] + sample.record.image.removeprefix("image_") for sample in samples
    ] == expected
    assert all(sample.record.metric == "iou" for sample in samples)
    assert [sample.record.score for sample in samples] == [values[int(name[1:])] for name in expected]


def test_prediction_is_the_one_of_the_image():
    sample = picked([0.5, 0.2, 0.3, 0.1, 0.0, 0.9])[0]
    assert sample.record.image == "image_5"
    assert sample.pixels[..., 0].tolist() == [[100, 105], [110, 115]]
    assert sample.prediction.tolist() == [[0, 1], [1, 1]]
    assert sample.prediction.dtype == sample.truth.dtype == np.uint8


def test_multilabel_prediction_is_flattened_like_the_truth():
    task = Task("multilabel", ("lesion", "hair"))
    (sample,) = picked([0.5], task, channels=2)
    assert sample.prediction.tolist() == [[0, 0], [0, 0]]
    samples = picked([0.5, 0.4, 0.3, 0.2], task, channels=2)
    last = next(sample for sample in samples if sample.record.image == "image_3")
    logits = torch.arange(24, 32).reshape(2, 2, 2) * 5 - 100
    assert last.prediction.tolist() == (logits[..., 1] > 0).mul(2).tolist()


@pytest.mark.parametrize(
    ("task", "mask", "expected"),
    [
        (BINARY, [0, 1, 255], [0, 1, 255]),
        (Task("binary", ("lesion",), ignore_index=7), [0, 1, 7], [0, 1, 255]),
        (Task("multiclass", ("skin", "lesion", "hair"), ignore_index=0), [0, 1, 2], [255, 1, 2]),
        (Task("multilabel", ("lesion", "hair")), [[0, 0], [1, 0], [0, 1], [1, 1]], [0, 1, 2, 2]),
        (
            Task("multilabel", ("lesion", "hair"), ignore_index=9),
            [[9, 9], [1, 9], [9, 1], [0, 9]],
            [255, 1, 2, 0],
        ),
    ],
)
def test_flat_masks(task, mask, expected):
    found = flat(np.array([mask], np.uint8), task)
    assert found.tolist() == [expected]
    assert found.dtype == np.uint8


def test_the_channels_of_red_green_and_blue_are_shown_by_the_range(tmp_path):
    overrides = ["data.channels=5", "data.range=[0, 1000]", "model.encoder.rgb=[4, 0, 2]"]
    image = np.array([0, 250, 500, 750, 2000], np.uint16).reshape(1, 1, 5)
    assert display_of(recipe(tmp_path, *overrides))(image).tolist() == [[[255, 0, 128]]]
    assert display_of(recipe(tmp_path, *overrides[:2]))(image).tolist() == [[[0, 64, 128]]]


def rows(*arrays: np.ndarray) -> IndexedArrays:
    return IndexedArrays([array[None] for array in arrays], np.arange(len(arrays)), np.zeros(len(arrays)))


@pytest.mark.parametrize("kind", ["binary", "multilabel"])
def test_images_in_windows_are_shown_at_their_own_size_and_large_ones_smaller(monkeypatch, kind):
    monkeypatch.setattr(samples, "MAX_SHOWN", 32)
    task = Task(kind, ("lesion", "hair")[: 1 + (kind == "multilabel")], 255)
    random, labels = np.random.default_rng(0), (2,) if kind == "multilabel" else ()
    sizes, image_sizes = [(20, 32), (90, 61)], [(10, 16), (45, 30)]  # data.scale: 0.5
    prepared = Prepared(
        ["small", "large"],
        rows(*(random.integers(0, 256, (*size, 3), np.uint8) for size in image_sizes)),
        rows(*(random.integers(0, 2, (*size, *labels), np.uint8) for size in sizes)),
    )
    masks, whole = PredictedMasks(prepared, task, Fit("crop", (16, 16), 0.5)), []
    for image, (height, width) in reversed([*enumerate(sizes)]):  # several processes have them in turn
        logits = torch.from_numpy(random.normal(size=(1, task.channels, height, width)))
        for top in range(0, height, 7):
            masks.add(image, slice(top, min(top + 7, height)), logits[:, :, top : top + 7])
        whole.insert(0, predicted_masks(logits, task)[0])
    small, large = masks.gathered(FABRIC)
    assert np.array_equal(small, whole[0])
    assert np.array_equal(large, resize_mask(whole[1], (32, 21)))
    for index, mask in enumerate((small, large)):
        picture, truth, prediction = shown(prepared, index, mask, task, lambda image: image)
        assert picture.shape == (*mask.shape[:2], 3)
        assert np.array_equal(truth, flat(resize_mask(prepared.masks[index], mask.shape[:2]), task))
        assert np.array_equal(prediction, flat(mask, task))


def test_training_samples_are_the_first_of_the_first_epoch(tmp_path):
    random = np.random.default_rng(0)
    images, masks = (
        random.integers(0, 4096, (6, 8, 9, 3), np.uint16),
        random.integers(0, 2, (6, 8, 9), np.uint8),
    )

    def darker(image, mask, rng):
        return np.float32(rng.random()) * image, mask

    small = recipe(tmp_path, "data.range=[0, 4095]")
    batches = TrainBatches(images, masks, [darker], 4, seed=3, pixel_range=small.data.pixel_range)
    found = training_samples(batches, [f"image_{i}" for i in range(6)], BINARY, small)
    batch = next(batches.epoch(1))  # of three images
    assert len(found) == 4
    for sample, image, target, index in zip(found, batch.image, batch.target, batch.indices, strict=False):
        assert sample.image == f"image_{index}"
        assert sample.pixels.dtype == np.uint8
        assert np.array_equal(sample.pixels, image.permute(1, 2, 0).numpy().round())
        assert np.array_equal(sample.mask, target)

"""Which images are shown, and what their masks look like."""

import math

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from segkit.core.types import Task
from segkit.data.palette import flat
from segkit.data.preprocess import Prepared
from segkit.experiments.samples import display_of, pick_samples, predicted_masks
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

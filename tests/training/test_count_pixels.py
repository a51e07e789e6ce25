"""Counts of pixels and scores of each class equal those of scikit-learn."""

import math

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from sklearn.metrics import (
    confusion_matrix,
    f1_score,
    jaccard_score,
    precision_score,
    recall_score,
)
from torch import nn

from segkit.core.class_scores import MEASURES, PixelCounts, image_words
from segkit.core.types import Task
from segkit.data.batches import Batch
from segkit.training.count_pixels import count_pixels, predict_mask
from segkit.training.evaluate import evaluate

FABRIC = Fabric(accelerator="cpu", devices=1)
JUDGES = dict(zip(MEASURES, (jaccard_score, f1_score, precision_score, recall_score), strict=True))
TASKS = {
    "binary": Task("binary", ("lesion",), 255),
    "multiclass": Task("multiclass", ("skin", "lesion", "hair", "ink"), 255),
    "multilabel": Task("multilabel", ("lesion", "hair", "ink"), 255),
}


def batch_of(task, images=5):
    """Logits and targets: the last class is rare, and the prediction mostly right."""
    generator = torch.Generator().manual_seed(1)
    shape = (images, task.channels, 9, 7) if task.kind == "multilabel" else (images, 9, 7)
    values = torch.rand(shape, generator=generator)
    target = (values * (task.channels if task.kind == "multiclass" else 2)).long()
    target[torch.rand(shape, generator=generator) < 0.1] = 255
    target[0] = 255  # an image without any known pixel
    logits = torch.randn(images, task.channels, 9, 7, generator=generator)
    return logits, target.to(torch.uint8)


def counted(task, logits, target, sizes):
    parts = [count_pixels(*pair, task) for pair in zip(logits.split(sizes), target.split(sizes), strict=True)]
    pixels, confusion = (list(part) for part in zip(*parts, strict=True))
    return PixelCounts(task, torch.cat(pixels).numpy(), sum(confusion).numpy())


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_counts_and_scores_are_those_of_scikit_learn(task):
    logits, target = batch_of(task)
    truth, mask = target.numpy(), predict_mask(logits, task).numpy()
    counts = counted(task, logits, target, [5])
    known, classes = truth != 255, range(len(task.classes))
    if task.kind == "multiclass":
        expected = confusion_matrix(truth[known], mask[known], labels=classes)
        of_class = [(truth[known] == k, mask[known] == k) for k in classes]
    else:
        split = np.split if task.kind == "multilabel" else lambda part, *_, **__: [part]
        parts = zip(*(split(part, len(classes), axis=1) for part in (known, truth, mask)), strict=True)
        of_class = [(true[valid] == 1, found[valid] == 1) for valid, true, found in parts]
        expected = [confusion_matrix(*pair, labels=[False, True]) for pair in of_class]
    np.testing.assert_array_equal(counts.confusion, expected)
    for name, judge in JUDGES.items():
        values = [judge(true, found, zero_division=0) for true, found in of_class]
        assert [*counts.per_class[name].values()] == pytest.approx(values, rel=1e-12)
    assert [*counts.per_class["pixels"].values()] == [int(true.sum()) for true, _ in of_class]

    for sizes in ([1, 1, 1, 1, 1], [2, 3], [4, 1]):  # the same integers for every batch size
        others = counted(task, logits, target, sizes)
        np.testing.assert_array_equal(others.pixels, counts.pixels)
        np.testing.assert_array_equal(others.confusion, counts.confusion)


def test_scores_per_image_are_means_over_the_images_where_they_are_defined():
    # Class b: in both masks, missed, a false alarm, in neither.
    pixels = [[[6, 6, 6], of_b] for of_b in ([2, 3, 3], [0, 0, 4], [0, 2, 0], [0, 0, 0])]
    counts = PixelCounts(Task("multiclass", ("a", "b")), np.array(pixels), np.array([[30, 5], [4, 2]]))
    found = {name: scores["b"] for name, scores in counts.per_class.items()}
    assert found == pytest.approx(
        {
            "iou": 2 / 10, "dice": 4 / 12, "precision": 2 / 5, "recall": 2 / 7,
            "iou_per_image": (0.5 + 0 + 0) / 3, "dice_per_image": (2 / 3 + 0 + 0) / 3,
            "precision_per_image": (2 / 3 + 0) / 2, "recall_per_image": (2 / 3 + 0) / 2,
            "predicted_pixels": 5, "pixels": 7, "images": 2,
        }
    )  # fmt: skip
    np.testing.assert_allclose(counts.iou_by_image()[1], [0.5, 0, 0, math.nan])


class Logits(nn.Module):
    """Logits are the pixels."""

    def forward(self, image):
        return image.float()


def test_evaluation_counts_the_same_pixels_in_any_number_of_processes(monkeypatch):
    task = TASKS["multiclass"]
    logits, target = batch_of(task, images=7)
    parts = [slice(i, i + 2) for i in range(0, 7, 2)]
    batches = [Batch(logits[part], target[part], list(range(7))[part]) for part in parts]

    def classes(fabric):
        loss = lambda logits, target: logits.mean()  # noqa: E731
        return evaluate(Logits(), batches, task, {}, loss, fabric).classes

    alone = classes(FABRIC)
    np.testing.assert_array_equal(alone.pixels, counted(task, logits, target, [7]).pixels)
    assert alone.confusion.sum() == (target != 255).sum()

    class Process:
        world_size, device = 2, torch.device("cpu")

        def __init__(self, rank):
            self.global_rank = rank

        def __getattr__(self, name):
            return getattr(FABRIC, name)

    own = []  # what each of two processes gathers and sums
    monkeypatch.setattr("segkit.training.evaluate.gather_batches", lambda items, fabric: items)
    monkeypatch.setattr("segkit.training.evaluate.sum_over_processes", lambda value, fabric: value)
    for rank in range(2):
        own.append(classes(Process(rank)))
    np.testing.assert_array_equal(own[0].confusion + own[1].confusion, alone.confusion)
    assert [len(part.pixels) for part in own] == [4, 3]


@pytest.mark.parametrize(
    ("pixels", "kind", "expected"),
    [
        ([[9, 9, 9], [0, 0, 3]], "multiclass", [
            "The class 'b' is never predicted, although 1 of the 4 test images has it: more epochs can help, "
            "or an overlap loss such as dice, class_weights: balanced, or with data.fit: crop more windows "
            "that show it (data.crop.foreground, crop.classes)."
        ]),
        ([[0, 0, 9], [0, 0, 3]], "multilabel", [
            "The classes 'a' and 'b' are never predicted, although some of the 4 test images have them: more "
            "epochs can help, or an overlap loss such as dice, class_weights: balanced, or with data.fit: "
            "crop more windows that show them (data.crop.foreground, crop.classes)."
        ]),
        ([[9, 9, 9], [0, 4, 0]], "multiclass", [
            "The class 'b' is in the ground truth of none of the 4 test images, so that no score says how "
            "well it is found: score images that have it, for example with another data.split."
        ]),
        ([[0, 0, 3]], "binary", [
            "The class 'a' is never predicted, although 1 of the 4 test images has it: more epochs can help, "
            "or an overlap loss such as dice, pos_weight: balanced, or with data.fit: crop more windows "
            "that show it (data.crop.foreground, crop.classes)."
        ]),
        ([[9, 9, 9], [2, 3, 3]], "multiclass", []),
    ],
)  # fmt: skip
def test_classes_that_no_score_can_show_are_named(pixels, kind, expected):
    task = Task(kind, ("a", "b")[: len(pixels)])
    assert PixelCounts(task, np.array([pixels]), np.zeros((2, 2))).warnings("4 test images") == expected


@pytest.mark.parametrize(
    ("pixels", "kind", "start"),
    [
        ([[0, 0, 3]], "binary", "The class 'a' is never predicted, although the 1 val image has it: more "),
        ([[0, 0, 9], [0, 0, 3]], "multilabel",
         "The classes 'a' and 'b' are never predicted, although the 1 val image has them: more "),
        ([[0, 0, 0]], "binary", "The class 'a' is not in the ground truth of the 1 val image, so that "),
    ],
)  # fmt: skip
def test_one_scored_image_is_told_in_the_singular(pixels, kind, start):
    task = Task(kind, ("a", "b")[: len(pixels)])
    (warning,) = PixelCounts(task, np.array([pixels]), np.zeros((2, 2))).warnings(image_words(1, "val"))
    assert warning.startswith(start)
    assert (image_words(1), image_words(1234, "test")) == ("1 image", "1,234 test images")


def test_many_missing_classes_are_one_short_sentence():
    task = Task("multiclass", tuple(f"c{i}" for i in range(30)))
    pixels = np.zeros((1, 30, 3), int)
    pixels[0, :2] = 5
    (warning,) = PixelCounts(task, pixels, np.zeros((30, 30))).warnings("9 images")
    assert warning.startswith("The classes 'c2', 'c3', ")
    assert "'c11' and 18 more are in the ground truth of none" in warning

"""Pixels and images of classes, and masks in which nothing can be learnt."""

from dataclasses import replace

import numpy as np
import pytest

from segkit.core.types import Task
from segkit.data.class_counts import ClassCounts, count_classes, mixture_problem
from tests.data.cases import BINARY, MULTICLASS, MULTILABEL


def test_pixels_and_images_of_each_class_without_ignored_pixels():
    task = replace(MULTICLASS, ignore_index=255)
    masks = np.array([[[0, 2], [2, 255]], [[0, 0], [0, 0]]], np.uint8)
    counts = ClassCounts(task.classes, (5, 0, 2), (2, 0, 1), (7, 7, 7), 1)
    assert count_classes(masks, task) == counts
    assert counts.fractions == {"skin": 5 / 7, "lesion": 0, "hair": 2 / 7}
    many = Task("multiclass", tuple(f"class {index}" for index in range(40)), 255)
    assert count_classes(masks, many).pixels == (5, 0, 2, *[0] * 37)


def test_background_of_a_binary_task_is_counted_too():
    masks = np.array([[[0, 1, 255]]], np.uint8)
    assert count_classes(masks, replace(BINARY, ignore_index=255)) == ClassCounts(
        ("background", "lesion"), (1, 1), (1, 1), (2, 2), 1
    )


def test_classes_of_a_multilabel_task_have_ignored_pixels_of_their_own():
    mask = np.array([[[1, 1], [0, 255], [1, 0]]], np.uint8)
    task = replace(MULTILABEL, ignore_index=255)
    assert count_classes([mask], task) == ClassCounts(task.classes, (2, 1), (1, 1), (3, 2), 1)
    assert mixture_problem(count_classes([mask * 0 + 255], task), task) is None


@pytest.mark.parametrize(
    ("values", "task", "problem", "hint"),
    [
        (
            [0, 255],
            Task("multiclass", ("ground", "disc"), 255),
            "the masks hold only ground and pixels to ignore: there is nothing to learn",
            "if 255 is disc, set data.labels: {ground: 0, disc: 255} and leave out data.ignore_index; "
            "or save disc as 1",
        ),
        (
            [255],
            Task("binary", ("disc",), 255),
            "the masks hold only pixels to ignore: there is nothing to learn",
            "if 255 is disc, set data.labels: {background: 0, disc: 255} and leave",
        ),
        (
            [1, 255],
            Task("binary", ("disc",), 255),
            "the masks hold only disc and pixels to ignore",
            "if 255 is back",
        ),
    ],
)
def test_masks_of_one_class_and_ignored_pixels_have_a_problem(values, task, problem, hint):
    found = mixture_problem(count_classes(np.array([[values]], np.uint8), task), task)
    assert found is not None
    assert found.problem.startswith(problem)
    assert found.hint.startswith(hint)


def test_masks_of_one_class_without_ignored_pixels_have_none():
    assert mixture_problem(count_classes(np.zeros((2, 3, 3), np.uint8), BINARY), BINARY) is None

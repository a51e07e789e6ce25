"""pixel_accuracy, sensitivity, specificity: by hand, and torchmetrics as judge."""

import math

import pytest
import torch
from torchmetrics.functional.classification import (
    binary_accuracy,
    binary_recall,
    binary_specificity,
    multiclass_recall,
    multiclass_specificity,
)

from tests.parts.metrics.cases import batch, build, score

TRUTH = [[1, 1, 1, 0, 0, 0, 0, 0]]
PREDICTED = [[1, 0, 0, 1, 0, 0, 0, 0]]  # tp 1, fn 2, fp 1, tn 4


@pytest.mark.parametrize(
    ("name", "expected"), [("pixel_accuracy", 5 / 8), ("sensitivity", 1 / 3), ("specificity", 4 / 5)]
)
def test_rate_by_hand(name, expected):
    assert score(name, PREDICTED, TRUTH) == pytest.approx(expected, rel=1e-12)


def test_rate_is_undefined_without_anything_to_find():
    assert math.isnan(score("sensitivity", PREDICTED, [[0] * 8]))
    assert math.isnan(score("specificity", PREDICTED, [[1] * 8]))
    logits = torch.ones(2, 1, 1, 8)
    metric = build("sensitivity")
    assert metric.reduce(metric.per_image(logits, torch.tensor([TRUTH, [[0] * 8]]))) == 1


def test_multiclass_rates_by_hand():
    truth, predicted = [[0, 0, 1, 1]], [[0, 0, 0, 1]]
    assert score("pixel_accuracy", predicted, truth, "multiclass") == 3 / 4
    assert score("sensitivity", predicted, truth, "multiclass") == (1 + 1 / 2) / 2
    assert score("specificity", predicted, truth, "multiclass") == (1 / 2 + 1 + 1) / 3


@pytest.mark.parametrize(
    ("name", "judge"),
    [
        ("pixel_accuracy", binary_accuracy),
        ("sensitivity", binary_recall),
        ("specificity", binary_specificity),
    ],
)
def test_binary_rate_agrees_with_torchmetrics(name, judge):
    logits, target = batch("binary")
    per_image = build(name).per_image(logits[1:], target[1:])
    for row, image, truth in zip(per_image, logits[1:, 0], target[1:], strict=True):
        assert row.item() == pytest.approx(judge(image, truth).item(), rel=1e-6)


@pytest.mark.parametrize(
    ("name", "judge"), [("sensitivity", multiclass_recall), ("specificity", multiclass_specificity)]
)
def test_multiclass_rate_agrees_with_torchmetrics(name, judge):
    logits, target = batch("multiclass")
    per_image = build(name, "multiclass").per_image(logits, target)
    for row, image, truth in zip(per_image, logits, target, strict=True):
        each = judge(image[None], truth[None], num_classes=3, average="none")
        assert row.item() == pytest.approx(each.mean().item(), rel=1e-6)

"""iou, dice and their kin: golden values by hand, torchmetrics as judge."""

import math

import pytest
import torch
from torchmetrics.functional.classification import (
    binary_f1_score,
    binary_jaccard_index,
    multiclass_jaccard_index,
)
from torchmetrics.functional.segmentation import dice_score, mean_iou

from segkit.core.registry import METRICS
from tests.parts.metrics.cases import TASKS, VOID, batch, build, certain, score

TRUTH = [[1, 1, 0, 0], [1, 1, 0, 0]]
SHIFTED = [[0, 1, 1, 0], [0, 1, 1, 0]]  # tp 2, fp 2, fn 2, tn 2
EMPTY = [[0, 0, 0, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("iou", 1 / 3), ("dice", 1 / 2), ("iou_dataset", 1 / 3), ("iou_soft", 1 / 3), ("dice_soft", 1 / 2)],
)
def test_overlap_by_hand(name, expected):
    assert score(name, SHIFTED, TRUTH) == pytest.approx(expected, rel=1e-12)
    assert score(name, EMPTY, EMPTY) == 1
    assert score(name, TRUTH, EMPTY) == 0
    assert score(name, EMPTY, TRUTH) == 0


def test_soft_scores_by_hand():
    logits, target = torch.zeros(1, 1, 2, 4), torch.tensor([TRUTH])  # 1/2 everywhere: both 2, total 8
    assert build("iou_soft").per_image(logits, target).item() == pytest.approx(2 / 6)
    assert build("dice_soft").per_image(logits, target).item() == pytest.approx(4 / 8)


def test_thresholded_iou_fails_images_below_the_cutoff():
    truth = [[1] * 20]
    assert score("thresholded_iou", [[1] * 13 + [0] * 7], truth) == 0.65
    assert score("thresholded_iou", [[1] * 12 + [0] * 8], truth) == 0
    assert score("thresholded_iou", [[1] * 12 + [0] * 8], truth, cutoff=0.5) == 0.6


def test_multiclass_takes_the_mean_over_classes_that_are_there():
    truth = [[0, 0, 1, 1]]
    predicted = [[0, 0, 0, 1]]  # skin 2/3, lesion 1/2, hair in neither
    assert score("iou", predicted, truth, "multiclass") == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert score("dice", predicted, truth, "multiclass") == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert score("iou", [[0, 0, 1, 2]], truth, "multiclass") == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert score("iou", predicted, truth, "multiclass", classes=("hair",)) == 1


def test_multilabel_counts_a_class_that_is_rightly_empty():
    truth = torch.tensor([TRUTH, EMPTY, EMPTY]).tolist()
    predicted = torch.tensor([SHIFTED, EMPTY, TRUTH]).tolist()
    assert score("iou", predicted, truth, "multilabel") == pytest.approx((1 / 3 + 1 + 0) / 3)


def test_iou_dataset_weighs_by_pixels_where_iou_weighs_by_images():
    target = torch.tensor([[[1] * 8], [[1] + [0] * 7]])
    predicted = torch.tensor([[[1] * 8], [[0] * 8]])
    logits = certain("binary", predicted)
    dataset, image = build("iou_dataset"), build("iou")
    assert dataset.reduce(dataset.per_image(logits, target)) == 8 / 9
    assert image.reduce(image.per_image(logits, target)) == 0.5


def test_miou_leaves_out_classes_that_are_nowhere_and_counts_those_that_are_missed():
    target = torch.tensor([[[0, 0, 0, 1]], [[0, 0, 1, 1]]])
    missed = certain("multiclass", torch.zeros(2, 1, 4, dtype=torch.long))
    skin = 5 / 8
    for name in ("miou", "iou_dataset"):
        metric = build(name, "multiclass")
        assert metric.reduce(metric.per_image(missed, target)) == (skin + 0) / 2  # class 2 is nowhere
        only = build(name, "multiclass", classes=("hair",))
        of_hair = only.reduce(only.per_image(missed, target))
        assert math.isnan(of_hair) if name == "miou" else of_hair == 1


@pytest.mark.parametrize("seed", range(3))
def test_binary_overlap_agrees_with_torchmetrics(seed):
    logits, target = batch("binary", seed=seed)
    logits, target = logits[1:], target[1:]
    iou, dice = build("iou").per_image(logits, target), build("dice").per_image(logits, target)
    for i, (image, truth) in enumerate(zip(logits[:, 0], target, strict=True)):
        assert iou[i].item() == pytest.approx(binary_jaccard_index(image, truth).item(), rel=1e-6)
        assert dice[i].item() == pytest.approx(binary_f1_score(image, truth).item(), rel=1e-6)
    dataset = build("iou_dataset")
    judge = binary_jaccard_index(logits[:, 0], target).item()
    assert dataset.reduce(dataset.per_image(logits, target)) == pytest.approx(judge, rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_multiclass_overlap_agrees_with_torchmetrics(seed):
    logits, target = batch("multiclass", seed=seed)
    judged = {"num_classes": 3, "input_format": "index"}
    iou = mean_iou(logits.argmax(1), target, **judged)
    torch.testing.assert_close(build("iou", "multiclass").per_image(logits, target)[:, 0], iou.double())
    dice = dice_score(logits.argmax(1), target, **judged, average="macro").flatten()
    torch.testing.assert_close(build("dice", "multiclass").per_image(logits, target)[:, 0], dice.double())
    target[:, :4] = VOID
    judge = multiclass_jaccard_index(logits, target, num_classes=3, ignore_index=VOID)
    for name in ("iou_dataset", "miou"):
        dataset = build(name, "multiclass")
        assert dataset.reduce(dataset.per_image(logits, target)) == pytest.approx(judge.item(), rel=1e-6)


@pytest.mark.parametrize("seed", range(10))
def test_dice_is_two_iou_over_one_plus_iou_for_each_image_and_not_more_for_their_mean(seed):
    logits, target = batch("binary", seed=seed)
    for iou, dice in (("iou", "dice"), ("iou_soft", "dice_soft")):
        j, d = build(iou).per_image(logits, target), build(dice).per_image(logits, target)
        torch.testing.assert_close(d, 2 * j / (1 + j), rtol=1e-14, atol=0)
        assert d.mean() <= 2 * j.mean() / (1 + j.mean())


@pytest.mark.parametrize("name", ["iou", "dice", "iou_dataset", "boundary_iou", "hd95"])
@pytest.mark.parametrize("kind", TASKS)
def test_metric_is_symmetric(name, kind):
    logits, target = batch(kind)
    other = logits.argmax(1) if kind == "multiclass" else (logits > 0).long().reshape(target.shape)
    metric = build(name, kind)
    there, back = (
        metric.per_image(certain(kind, other), target),
        metric.per_image(certain(kind, target), other),
    )
    assert torch.equal(there, back)


def test_only_hd95_is_better_when_lower():
    assert [e.name for e in METRICS.own() if not e.traits["higher_is_better"]] == ["hd95"]

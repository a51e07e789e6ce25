"""dice, jaccard, tversky, mcc: golden values by hand, and segmentation-models-pytorch and numpy as judges."""

import numpy as np
import pytest
import torch
from segmentation_models_pytorch import losses as smp

from segkit.core.types import Task
from segkit.parts.losses.overlap import dice, jaccard, mcc, tversky
from segkit.parts.metrics.overlap import dice_soft, iou_soft
from tests.parts.losses.cases import batch

BINARY = Task("binary", ("lesion",))
MULTICLASS = Task("multiclass", ("skin", "lesion", "hair"))
MULTILABEL = Task("multilabel", ("lesion", "hair", "ruler"))
TASKS = {task.kind: task for task in (BINARY, MULTICLASS, MULTILABEL)}
HALF = torch.zeros(1, 1, 2, 2)  # probability 1/2 everywhere
ONE_OF_FOUR = torch.tensor([[[1, 0], [0, 0]]])  # so tp 0.5, fp 1.5, fn 0.5, tn 1.5


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (dice(BINARY), 1 - 1 / 3),
        (dice(BINARY, smooth=1.0), 1 - 2 / 4),
        (jaccard(BINARY), 1 - 0.5 / 2.5),
        (jaccard(BINARY, smooth=1.0), 1 - 1.5 / 3.5),
        (tversky(BINARY, alpha=0.3, beta=0.7), 1 - 0.5 / 1.3),
        (tversky(BINARY, alpha=0.3, beta=0.7, gamma=0.75), (1 - 0.5 / 1.3) ** 0.75),
        (mcc(BINARY), 1.0),
    ],
)
def test_overlap_loss_by_hand(loss, expected):
    assert float(loss(HALF, ONE_OF_FOUR)) == pytest.approx(expected, rel=1e-6)


def test_overlap_loss_of_an_absent_class_is_its_mean_probability_or_nothing():
    empty = torch.zeros_like(ONE_OF_FOUR)
    logits, target = torch.cat([HALF, HALF]), torch.cat([ONE_OF_FOUR, empty])
    for loss, alone in ((dice, 1 - 1 / 3), (jaccard, 1 - 0.5 / 2.5), (mcc, 1.0)):
        assert float(loss(BINARY)(HALF, empty)) == pytest.approx(0.5)
        assert float(loss(BINARY)(logits, target)) == pytest.approx((alone + 0.5) / 2)
        assert float(loss(BINARY, absent="skip")(HALF, empty)) == 0
        assert float(loss(BINARY, absent="skip")(logits, target)) == pytest.approx(alone)


def test_overlap_loss_weighs_classes():
    logits = torch.zeros(1, 3, 2, 2)
    target = torch.stack([ONE_OF_FOUR, ONE_OF_FOUR * 0 + 1, ONE_OF_FOUR], dim=1)
    one, full = 1 - 1 / 3, 1 - 4 / 6
    loss = dice(MULTILABEL, class_weights=(1.0, 2.0, 0.0))
    assert float(loss(logits, target)) == pytest.approx((one + 2 * full) / 3)


@pytest.mark.parametrize(("loss", "score"), [(dice, dice_soft), (jaccard, iou_soft)])
@pytest.mark.parametrize("kind", TASKS)
def test_overlap_loss_is_one_minus_the_soft_score_of_each_image(loss, score, kind):
    task = TASKS[kind]
    logits, target = batch(kind)
    per_image = score(task).per_image(logits, target)
    for image, truth, row in zip(logits, target, per_image, strict=True):
        assert float(loss(task)(image[None], truth[None])) == pytest.approx(1 - float(row), abs=1e-6)
    assert float(loss(task)(logits, target)) == pytest.approx(1 - score(task).reduce(per_image), abs=1e-6)


@pytest.mark.parametrize("smooth", [0.0, 1.0])
@pytest.mark.parametrize("kind", TASKS)
def test_overlap_loss_over_the_batch_agrees_with_smp(kind, smooth):
    logits, target = batch(kind)
    task, half = TASKS[kind], smooth / 2  # smp smooths the halved fraction
    pairs = [
        (dice(task, over="batch", smooth=smooth), smp.DiceLoss(kind, smooth=half)),
        (jaccard(task, over="batch", smooth=smooth), smp.JaccardLoss(kind, smooth=smooth)),
        (
            tversky(task, over="batch", smooth=smooth, alpha=0.2, beta=0.8),
            smp.TverskyLoss(kind, smooth=smooth, alpha=0.2, beta=0.8),
        ),
    ]
    for ours, theirs in pairs:
        torch.testing.assert_close(ours(logits, target), theirs(logits, target))


def test_mcc_agrees_with_smp_and_with_the_correlation_of_masks():
    logits, target = batch("binary")
    judge = smp.MCCLoss(eps=0)(logits.sigmoid(), target)
    torch.testing.assert_close(mcc(BINARY, over="batch")(logits, target), judge)
    hard = (logits > 0).float() * 200 - 100
    correlation = np.corrcoef((logits > 0).flatten(), target.flatten())[0, 1]
    assert float(mcc(BINARY, over="batch")(hard, target)) == pytest.approx(1 - correlation, abs=1e-5)


def test_mcc_of_a_single_pixel_in_a_large_image_is_exact():
    target = torch.zeros(1, 1024, 1024, dtype=torch.long)
    target[0, 3, 4] = 1
    assert float(mcc(BINARY)(target[:, None] * 200.0 - 100, target)) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("absent", ["suppress", "skip"])
def test_tversky_with_a_root_has_a_finite_slope_where_all_is_right(absent):
    target = torch.cat([ONE_OF_FOUR, torch.zeros_like(ONE_OF_FOUR)])
    logits = (target[:, None] * 2000.0 - 1000).requires_grad_()
    (gradient,) = torch.autograd.grad(tversky(BINARY, gamma=0.75, absent=absent)(logits, target), logits)
    assert gradient.isfinite().all()

"""bce, cross_entropy, focal: torch, torchvision and smp as judges."""

import pytest
import torch
import torch.nn.functional as F
from segmentation_models_pytorch import losses as smp
from torchvision.ops import sigmoid_focal_loss

from segkit.core.errors import PartError
from segkit.core.types import Task
from segkit.parts.losses.pixelwise import bce, cross_entropy, focal
from tests.parts.losses.cases import VOID, batch

BINARY = Task("binary", ("lesion",), VOID)
MULTICLASS = Task("multiclass", ("skin", "lesion", "hair"), VOID)
MULTILABEL = Task("multilabel", ("lesion", "hair", "ruler"), VOID)
WEIGHTS = (0.5, 1.0, 4.0)


def test_bce_agrees_with_torch():
    logits, target = batch("binary")
    judge = F.binary_cross_entropy_with_logits(logits[:, 0], target.float(), pos_weight=torch.tensor(3.0))
    torch.testing.assert_close(bce(BINARY, pos_weight=3.0)(logits, target), judge)


def test_bce_weighs_classes_by_the_mean_of_each():
    logits, target = batch("multilabel")
    each = F.binary_cross_entropy_with_logits(logits, target.float(), reduction="none").mean((0, 2, 3))
    weights = torch.tensor(WEIGHTS)
    judge = (each * weights).sum() / weights.sum()
    torch.testing.assert_close(bce(MULTILABEL, class_weights=WEIGHTS)(logits, target), judge)


def test_multilabel_classes_have_weights_of_their_own_foreground():
    logits, target = batch("multilabel")
    weights = torch.tensor(WEIGHTS).view(-1, 1, 1)
    judge = F.binary_cross_entropy_with_logits(logits, target.float(), pos_weight=weights)
    torch.testing.assert_close(bce(MULTILABEL, pos_weight=WEIGHTS)(logits, target), judge)
    each = [
        sigmoid_focal_loss(logits[:, k], target[:, k].float(), alpha=a) for k, a in enumerate((0.2, 0.5, 0.9))
    ]
    torch.testing.assert_close(
        focal(MULTILABEL, alpha=(0.2, 0.5, 0.9))(logits, target), torch.stack(each).mean()
    )


def test_bce_smooths_as_a_softmax_of_two_classes_would():
    logits, target = batch("binary")
    two = torch.cat([torch.zeros_like(logits), logits], dim=1)
    judge = F.cross_entropy(two, target, label_smoothing=0.1)
    torch.testing.assert_close(bce(BINARY, label_smoothing=0.1)(logits, target), judge)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_agrees_with_torch(weights, smoothing):
    logits, target = batch("multiclass")
    target[0, :3] = VOID
    judge = F.cross_entropy(
        logits,
        target,
        weight=torch.tensor(weights) if weights else None,
        label_smoothing=smoothing,
        ignore_index=VOID,
    )
    ours = cross_entropy(MULTICLASS, label_smoothing=smoothing, class_weights=weights)
    torch.testing.assert_close(ours(logits, target), judge)


@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, None), (2.0, 0.25), (0.5, 0.75), (0.0, None)])
def test_focal_of_sigmoids_agrees_with_torchvision(gamma, alpha):
    logits, target = batch("multilabel")
    judge = sigmoid_focal_loss(
        logits, target.float(), alpha=-1 if alpha is None else alpha, gamma=gamma, reduction="mean"
    )
    ours = focal(MULTILABEL, gamma=gamma, alpha=alpha)
    torch.testing.assert_close(ours(logits, target), judge, atol=1e-6, rtol=1e-5)


def test_focal_of_a_softmax_agrees_with_smp():
    logits, target = batch("multiclass")
    judge = smp._functional.softmax_focal_loss_with_logits(logits, target, gamma=2.0)
    torch.testing.assert_close(focal(MULTICLASS)(logits, target), judge)


def test_focal_without_gamma_is_cross_entropy():
    logits, target = batch("multiclass")
    plain = cross_entropy(MULTICLASS, class_weights=WEIGHTS)(logits, target)
    torch.testing.assert_close(focal(MULTICLASS, gamma=0.0, class_weights=WEIGHTS)(logits, target), plain)


def test_focal_refuses_alpha_for_multiclass():
    with pytest.raises(
        PartError, match=r"alpha balances foreground and background[^\n]*\n  try: class_weights"
    ):
        focal(MULTICLASS, alpha=0.25)


def test_bce_and_cross_entropy_name_each_other():
    with pytest.raises(PartError, match=r"bce does not fit a multiclass task[^\n]*\n  try: cross_entropy"):
        bce(MULTICLASS)
    with pytest.raises(PartError, match=r"cross_entropy does not fit a binary task[^\n]*\n  try: bce"):
        cross_entropy(BINARY)


def test_focal_with_a_root_has_a_finite_slope_where_all_is_right():
    _, target = batch("binary")
    logits = (target[:, None] * 2000.0 - 1000).requires_grad_()
    (gradient,) = torch.autograd.grad(focal(BINARY, gamma=0.5)(logits, target), logits)
    assert gradient.isfinite().all()

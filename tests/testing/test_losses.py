"""Every check of losses catches a broken loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from segkit.core.errors import PartError
from segkit.core.types import Task
from tests.testing.contract import assert_caught, assert_complete, assert_passes, checks_of


def known(task: Task, target):
    return target == target if task.ignore_index is None else target != task.ignore_index


def bce(logits, truth):
    return F.binary_cross_entropy_with_logits(logits[:, 0].float(), truth.float(), reduction="none")


def good(task: Task):
    """Mean cross-entropy of the pixels that are not ignored."""
    if task.kind != "binary":
        raise PartError("good is for binary tasks")

    def loss(logits, target):
        pixels = known(task, target)
        return (bce(logits, target == 1) * pixels).sum() / pixels.sum().clamp_min(1)

    return loss


def below_zero(task: Task):
    """A negative loss for multiclass tasks."""
    if task.kind != "multiclass":
        raise PartError("below_zero is for multiclass tasks")

    def loss(logits, target):
        pixels = known(task, target)
        labels = target.long().masked_fill(~pixels, 0)
        right = logits.float().softmax(1).gather(1, labels[:, None])[:, 0]
        return -(right * pixels).mean()

    return loss


def binary(compute):
    """A loss for binary tasks from a function of (task, logits, target)."""

    def factory(task: Task):
        good(task)
        return lambda logits, target: compute(task, logits, target)

    return factory


@pytest.mark.parametrize("factory", [good, below_zero])
def test_correct_loss_passes(factory):
    assert_passes("loss", factory)


def of_good(task, logits, target):
    return good(task)(logits, target)


def masked_mean(task, values, target):
    pixels = known(task, target)
    return (values * pixels).sum() / pixels.sum().clamp_min(1)


def sigmoid_logarithm(task, logits, target):
    p, truth = logits[:, 0].sigmoid(), (target == 1).float()
    return masked_mean(task, -truth * p.log() - (1 - truth) * (1 - p).log(), target)


def dice_without_smoothing(task, logits, target):
    p, truth = logits[:, 0].sigmoid() * known(task, target), target == 1
    return 1 - 2 * (p * truth).sum() / (p.relu() * truth).sum()


def square_root(task, logits, target):
    """Finite, but its slope is infinite where the prediction is right."""
    return masked_mean(task, (logits[:, 0].sigmoid() - (target == 1).float()).abs().sqrt(), target)


def too_large_for_half(task, logits, target):
    sign = 1 - 2 * (target == 1).to(logits.dtype)
    return masked_mean(task, (logits[:, 0] * sign).clamp(max=60).exp().log1p(), target)


def unsigned(task, logits, target):
    truth = (target * 2 - 1).float()  # -1 is 255 in uint8
    return masked_mean(task, F.softplus(-logits[:, 0] * truth), target)


def only_long(task, logits, target):
    labels = target.masked_fill(~known(task, target), 0)
    two = torch.cat([torch.zeros_like(logits), logits], 1).float()
    return masked_mean(task, F.cross_entropy(two, labels, reduction="none"), target)


def never_none(task, logits, target):
    pixels = (target != task.ignore_index).float()
    return (bce(logits, target == 1) * pixels).sum() / pixels.sum().clamp_min(1)


def none_is_background(task, logits, target):
    pixels = target != (0 if task.ignore_index is None else task.ignore_index)
    return (bce(logits, target == 1) * pixels).sum() / pixels.sum().clamp_min(1)


def ignores_255(task, logits, target):
    return good(Task("binary", ("lesion",), 255))(logits, target)


def ignores_nothing(task, logits, target):
    return bce(logits, target == 1).mean()


def weighed_by_label(task, logits, target):
    pixels = known(task, target)
    spread = ~pixels * target.float()
    return (bce(logits, target == 1) * pixels).mean() + 0 * logits.sum() + spread.mean()


def gradient_everywhere(task, logits, target):
    pixels = known(task, target)
    hidden = logits[:, 0] * ~pixels
    return of_good(task, logits, target) + (hidden - hidden.detach()).sum()


def divides_by_known(task, logits, target):
    pixels = known(task, target)
    return (bce(logits, target == 1) * pixels).sum() / pixels.sum()


def constant_without_known(task, logits, target):
    return of_good(task, logits, target) if known(task, target).any() else torch.tensor(0.0)


def pushes_without_known(task, logits, target):
    return of_good(task, logits, target) if known(task, target).any() else logits.mean()


def with_noise(task, logits, target):
    return of_good(task, logits, target) * (1 + torch.rand(()))


def with_own_generator(task, logits, target):
    return of_good(task, logits, target) * (1 + np.random.default_rng().random())


def with_memory(task: Task):
    steps = []

    def loss(logits, target):
        steps.append(1)
        return good(task)(logits, target) * len(steps)

    return loss


def replaces_in_target(task, logits, target):
    pixels = known(task, target)
    target[~pixels] = 0
    return masked_mean(task, bce(logits, target == 1) * pixels, target)


def clamps_logits(task, logits, target):
    return of_good(task, logits.clamp_(-1, 1), target)


def fits_nothing(task: Task):
    raise PartError(f"no {task.kind}")


def divides_by_other_images(task, logits, target):
    return of_good(task, logits, target) / (len(logits) - 1)


def peeks(task, logits, target):
    return of_good(task, logits.detach(), target)


def not_differentiable(task, logits, target):
    return ((logits[:, 0] > 0) != (target == 1)).float().mean()


def flat(task, logits, target):
    return (
        of_good(task, logits, target) + 0 * logits.sum() - (g := of_good(task, logits, target)) + g.detach()
    )


DIRECTION = "gradient_descent_approaches_the_target"
FINITE = "loss_and_gradient_are_finite"
IGNORED = "ignored_pixels_do_not_count"
UNREACHED = "ignored_pixels_get_no_gradient"
SAME = "same_batch_gives_the_same_result"
BROKEN = [
    (DIRECTION, fits_nothing, "it refuses every task: no binary; no multiclass; no multilabel"),
    (
        DIRECTION,
        binary(lambda task, logits, target: bce(logits, target == 1)),
        "binary: the loss has the shape (3, 24, 20), not ()\n  try: take the .mean()",
    ),
    (DIRECTION, binary(lambda *given: 0.5), "it returns a float, not a tensor\n  try: compute the loss from"),
    (
        DIRECTION,
        binary(lambda task, logits, target: (logits > 0).sum()),
        "the loss has the dtype torch.int",
    ),
    (DIRECTION, binary(lambda task, logits, target: logits[:, 1].mean()), "it fails: IndexError: index 1 is"),
    (
        DIRECTION,
        binary(lambda *given: -of_good(*given)),
        "binary: gradient descent makes a wrong prediction worse\n  try: check the sign",
    ),
    (DIRECTION, binary(peeks), "binary: the loss of a wrong prediction has no gradient\n  try: compute"),
    (DIRECTION, binary(not_differentiable), "binary: the loss of a wrong prediction has no gradient"),
    (DIRECTION, binary(flat), "binary: the gradient of a wrong prediction is zero everywhere"),
    (FINITE, binary(divides_by_other_images), "binary: the loss of a single image is inf\n  try: avoid"),
    (FINITE, binary(dice_without_smoothing), "binary: the loss of a target that is empty is nan"),
    (FINITE, binary(sigmoid_logarithm), "binary: the loss of correct logits of +-10000 is nan"),
    (FINITE, binary(square_root), "binary: the gradient of correct logits of +-10000 is not finite"),
    (FINITE, binary(too_large_for_half), "torch.float16 logits is inf"),
    (
        "any_integer_target_gives_the_same_result",
        binary(unsigned),
        "if the target is torch.uint8, not torch.int64\n  try: start with target = target.long()",
    ),
    (
        "any_integer_target_gives_the_same_result",
        binary(only_long),
        "binary: it fails: RuntimeError: expected scalar type Long but found Byte",
    ),
    (
        IGNORED,
        binary(ignores_nothing),
        "binary: the result changes from ... if logits of ignored pixels change\n  try: use only pixels wher",
    ),
    (IGNORED, binary(ignores_255), "if task.ignore_index is 7, not 255, as are the ignored pixels"),
    (IGNORED, binary(weighed_by_label), "if task.ignore_index is 7, not 255, as are the ignored pixels"),
    (IGNORED, binary(never_none), "'bool' object has no attribute 'float'"),
    (IGNORED, binary(none_is_background), "if task.ignore_index is None"),
    (UNREACHED, binary(gradient_everywhere), "binary: ignored pixels get a gradient of 1\n  try: use only"),
    (UNREACHED, binary(divides_by_known), "binary: the loss of a batch of ignored pixels is nan"),
    (UNREACHED, binary(constant_without_known), "return logits.sum() * 0 if there is nothing to learn"),
    (UNREACHED, binary(pushes_without_known), "binary: a batch of ignored pixels has a gradient"),
    (
        SAME,
        binary(with_noise),
        "binary: the result changes from ... for the same batch\n  try: use no random",
    ),
    (SAME, binary(with_own_generator), "for the same batch"),
    (SAME, with_memory, "and keep nothing from one batch to the next"),
    (SAME, binary(replaces_in_target), "binary: it changes its input target\n  try: use clone()"),
    (SAME, binary(clamps_logits), "binary: it changes its input logits"),
]


@pytest.mark.parametrize(("name", "factory", "message"), BROKEN)
def test_check_catches_a_broken_loss(name, factory, message):
    assert_caught("loss", name, factory, message)


def test_every_check_catches_something():
    assert_complete("loss", BROKEN)


def test_problem_names_the_line_of_the_loss():
    problem = (
        checks_of("loss", binary(only_long))["any_integer_target_gives_the_same_result"].outcome().problem
    )
    assert problem.where == f"{__file__}:{only_long.__code__.co_firstlineno + 3}"

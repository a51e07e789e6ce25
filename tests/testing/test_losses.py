"""Every point of the contract of losses catches a loss that breaks it, and says what to change."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from segkit.core.errors import PartError
from segkit.core.registry import LOSSES, entry_of
from segkit.core.types import Task
from segkit.testing import Check, ContractError, Subject
from segkit.testing import losses as points


def known(task: Task, target):
    return target == target if task.ignore_index is None else target != task.ignore_index


def bce(logits, truth):
    return F.binary_cross_entropy_with_logits(logits[:, 0].float(), truth.float(), reduction="none")


def good(task: Task):
    """Ten lines that keep every point: the mean cross-entropy of known pixels."""
    if task.kind != "binary":
        raise PartError("good is for binary tasks")

    def loss(logits, target):
        pixels = known(task, target)
        return (bce(logits, target == 1) * pixels).sum() / pixels.sum().clamp_min(1)

    return loss


def below_zero(task: Task):
    """A loss may be negative, and may fit multiclass tasks alone."""
    if task.kind != "multiclass":
        raise PartError("below_zero is for multiclass tasks")

    def loss(logits, target):
        pixels = known(task, target)
        labels = target.long().masked_fill(~pixels, 0)
        right = logits.float().softmax(1).gather(1, labels[:, None])[:, 0]
        return -(right * pixels).mean()

    return loss


def tried(point, factory) -> None:
    Check(Subject(entry_of(LOSSES, "broken", factory), {}), point)()


def binary(compute):
    """A loss for binary tasks from (task, logits, target) -> value."""

    def factory(task: Task):
        good(task)
        return lambda logits, target: compute(task, logits, target)

    return factory


@pytest.mark.parametrize("factory", [good, below_zero])
@pytest.mark.parametrize("point", points.CHECKS, ids=lambda point: point.__name__)
def test_point_is_kept_by_ten_lines(point, factory):
    tried(point, factory)


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
    spread = (target == task.ignore_index).float() * target
    return (bce(logits, target == 1) * pixels).mean() + 0 * logits.sum() + spread.mean()


def one_hot(task, logits, target):
    truth = F.one_hot(target.long(), 2)[..., 1]
    return masked_mean(task, bce(logits, truth), target)


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


BROKEN = {
    points.it_fits_some_task: [
        (fits_nothing, "it refuses every task: no binary; no multiclass; no multilabel"),
    ],
    points.it_gives_one_finite_number: [
        (
            binary(lambda task, logits, target: bce(logits, target == 1)),
            "the shape (3, 24, 20), which is not",
        ),
        (
            binary(lambda task, logits, target: 0.5),
            "it returns a float, not a tensor of one number with a gradient\n  try: return what",
        ),
        (binary(lambda task, logits, target: (logits > 0).sum()), "binary: the loss is of type int64"),
        (binary(lambda task, logits, target: logits.mean() / 0), "binary: the loss of random logits is"),
        (
            binary(lambda task, logits, target: logits[:, 1].mean()),
            "binary: it fails: IndexError: index 1 is",
        ),
        (binary(divides_by_other_images), "binary: the loss of a single image is inf"),
    ],
    points.the_truth_has_a_smaller_loss_than_its_opposite: [
        (
            binary(lambda *given: -of_good(*given)),
            "for one that is wrong everywhere\n  try: look for a wrong",
        ),
    ],
    points.a_wrong_prediction_has_a_gradient: [
        (binary(peeks), "binary: the loss of a wrong prediction has no gradient\n  try: return what torch"),
        (binary(not_differentiable), "binary: the loss of a wrong prediction has no gradient"),
        (binary(flat), "binary: the gradient of a wrong prediction is zero everywhere"),
    ],
    points.empty_and_full_targets_stay_finite: [
        (binary(dice_without_smoothing), "binary: the loss of targets that are empty is"),
    ],
    points.very_sure_logits_stay_finite: [
        (binary(sigmoid_logarithm), "binary: the loss of logits of +-10000 that are right is nan"),
        (
            binary(square_root),
            "binary: the gradient of logits of +-10000 that are right is not finite for ...of 1440 ",
        ),
    ],
    points.half_precision_logits_stay_finite: [
        (binary(too_large_for_half), "binary: the loss of float16 logits is inf\n  try: look for"),
    ],
    points.any_integer_target_gives_the_same_loss: [
        (binary(unsigned), "when the target is uint8, not int64\n  try: begin with target = target.long()"),
        (binary(only_long), "binary: it fails: RuntimeError: expected scalar type Long but found Byte"),
    ],
    points.ignored_pixels_count_for_nothing: [
        (
            binary(ignores_nothing),
            "when the logits of ignored pixels change\n  try: multiply what each pixel adds by known, where",
        ),
        (binary(ignores_255), "when task.ignore_index is 7, not 255, as are the ignored pixels"),
        (binary(weighed_by_label), "when task.ignore_index is 7, not 255, as are the ignored pixels"),
        (binary(one_hot), "Class values must be smaller than num_classes."),
        (binary(gradient_everywhere), "binary: a gradient of 1 reaches ignored pixels"),
    ],
    points.a_wholly_ignored_batch_teaches_nothing: [
        (binary(divides_by_known), "binary: the loss of a batch of ignored pixels alone is nan"),
        (binary(constant_without_known), "or a threshold; where there is nothing to learn, logits.sum() * 0"),
        (binary(pushes_without_known), "binary: a batch of ignored pixels alone has a gradient"),
    ],
    points.it_works_where_nothing_is_ignored: [
        (binary(never_none), "'bool' object has no attribute 'float'"),
        (binary(none_is_background), "when task.ignore_index is None and no pixel was ignored before"),
    ],
    points.the_same_batch_gives_the_same_loss: [
        (binary(with_noise), "binary: the loss of a batch is ...and later "),
        (binary(with_own_generator), "binary: the loss of a batch is ...and later "),
        (with_memory, "draw nothing at random, and keep nothing from one batch to the next"),
    ],
    points.inputs_stay_unchanged: [
        (
            binary(replaces_in_target),
            "binary: it changes the target that it is given\n  try: operations that end",
        ),
        (binary(clamps_logits), "binary: it changes the logits that it is given"),
    ],
}
CAUGHT = [(point, *broken) for point, all_broken in BROKEN.items() for broken in all_broken]


@pytest.mark.parametrize(("point", "factory", "message"), CAUGHT)
def test_point_catches(point, factory, message):
    pattern = ".*".join(map(re.escape, message.split("...")))
    with pytest.raises(ContractError, match=pattern):
        tried(point, factory)


def test_every_point_is_shown_to_catch_something():
    assert list(BROKEN) == list(points.CHECKS)


def test_problem_names_the_line_of_the_loss():
    with pytest.raises(ContractError) as caught:
        tried(points.any_integer_target_gives_the_same_loss, binary(only_long))
    line = only_long.__code__.co_firstlineno + 3
    assert caught.value.problems[0].where == f"{__file__}:{line}"


def test_trying_leaves_the_random_state_alone():
    before = torch.random.get_rng_state()
    tried(points.it_gives_one_finite_number, binary(lambda *given: of_good(*given) + 0 * torch.rand(())))
    assert torch.equal(torch.random.get_rng_state(), before)

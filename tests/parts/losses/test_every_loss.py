"""What every built-in loss keeps beyond the contract (segkit.testing.losses), for every task it fits."""

import pytest
import torch
from torch import Tensor

from segkit.core.errors import PartError, ShapeError
from segkit.core.registry import LOSSES
from segkit.testing.tasks import opposite
from tests.parts.losses.cases import TASKS, VOID, batch, certain
from tests.points import check_points


def build(name: str, kind: str):
    return LOSSES.get(name).factory(TASKS[kind])


def fits(name: str, kind: str) -> bool:
    try:
        build(name, kind)
    except PartError:
        return False
    return True


FITTING = [(entry.name, kind) for entry in LOSSES.own() for kind in TASKS if fits(entry.name, kind)]
POINTS = []


def point(function):
    POINTS.append(function)
    return function


@pytest.mark.parametrize(("name", "kind"), FITTING, ids=lambda value: value)
def test_loss_keeps_every_point(name, kind):
    check_points(POINTS, [(name, kind)])


def value_and_gradient(loss, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    logits = logits.clone().requires_grad_()
    value = loss(logits, target)
    (gradient,) = torch.autograd.grad(value, logits)
    return value.detach(), gradient


@pytest.mark.parametrize("kind", TASKS)
@pytest.mark.parametrize("entry", LOSSES.own(), ids=lambda entry: entry.name)
def test_loss_that_does_not_fit_names_those_that_do(entry, kind):
    if fits(entry.name, kind):
        return
    with pytest.raises(PartError, match=f"{entry.name} does not fit a {kind} task") as error:
        entry.factory(TASKS[kind])
    named = error.value.problems[0].hint.replace(" or", "").split(", ")
    assert set(named) == {name for name, fitting in FITTING if fitting == kind}


@point
def of_a_perfect_prediction_is_zero(name, kind):
    _, target = batch(kind)
    loss = build(name, kind)(certain(kind, target), target)
    assert loss.shape == ()
    assert -1e-7 < loss < 1e-5


@point
def of_the_opposite_prediction_is_large(name, kind):
    _, target = batch(kind)
    assert build(name, kind)(certain(kind, opposite(TASKS[kind], target)), target) > 0.99


@point
def of_an_empty_target_unlearns_false_alarms(name, kind):
    logits, target = batch(kind)
    value, gradient = value_and_gradient(build(name, kind), logits, torch.zeros_like(target))
    foreground = gradient[:, 1:] if kind == "multiclass" else gradient
    assert value > 0
    assert (foreground.sum((2, 3)) > 0).all()


@point
def under_bf16_autocast_is_the_float32_loss(name, kind):
    logits, target = batch(kind)
    half = logits.bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value, gradient = value_and_gradient(build(name, kind), half, target)
    expected, expected_gradient = value_and_gradient(build(name, kind), half.float(), target)
    assert value.dtype == torch.float32
    assert torch.equal(value, expected)
    assert torch.equal(gradient, expected_gradient.bfloat16())


@point
def ignores_as_if_the_pixels_were_not_there(name, kind):
    logits, target = batch(kind)
    expected = build(name, kind)(logits[..., :5], target[..., :5])
    logits[..., 5:] = torch.nan
    target[..., 5:] = VOID
    value, gradient = value_and_gradient(build(name, kind), logits, target)
    torch.testing.assert_close(value, expected)
    assert (gradient[..., 5:] == 0).all()
    assert (gradient[..., :5] != 0).any()


@point
def leaves_out_an_image_that_is_ignored_altogether(name, kind):
    logits, target = batch(kind)
    expected = build(name, kind)(logits[1:], target[1:])
    target[0] = VOID
    torch.testing.assert_close(build(name, kind)(logits, target), expected)


@point
def of_nothing_but_ignored_pixels_is_zero(name, kind):
    logits, target = batch(kind)
    assert build(name, kind)(logits, torch.full_like(target, VOID)) == 0


@point
def of_a_batch_is_the_mean_over_its_images(name, kind):
    logits, target = batch(kind)
    target[0] = 0  # one class only: images weigh the same, however many classes they hold
    loss = build(name, kind)
    alone = [loss(image[None], truth[None]) for image, truth in zip(logits, target, strict=True)]
    torch.testing.assert_close(loss(logits, target), torch.stack(alone).mean())


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, kind in FITTING if kind != "binary"])
def test_loss_does_not_depend_on_the_order_of_classes(name, kind):
    logits, target = batch(kind)
    order = torch.tensor([2, 0, 1])
    if kind == "multiclass":
        logits_2, target_2 = logits[:, order], order.argsort()[target]
    else:
        logits_2, target_2 = logits[:, order], target[:, order]
    loss = build(name, kind)
    torch.testing.assert_close(loss(logits_2, target_2), loss(logits, target))


@point
def refuses_shapes_that_would_broadcast(name, kind):
    logits, target = batch(kind)
    with pytest.raises(ShapeError, match=f"do not fit a {kind} task"):
        build(name, kind)(logits, target[..., None, :, :])
    with pytest.raises(ShapeError, match="do not fit"):
        build(name, kind)(logits[:, :, :4], target)


@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
@pytest.mark.parametrize("name", [entry.name for entry in LOSSES.own() if "class_weights" in entry.options])
def test_class_weight_zero_leaves_a_class_out(name, kind):
    if not fits(name, kind):
        return
    logits, target = batch(kind)
    loss = LOSSES.get(name).factory(TASKS[kind], class_weights=(0.0, 1.0, 3.0))
    evenly = LOSSES.get(name).factory(TASKS[kind], class_weights=(2.0, 2.0, 2.0))
    torch.testing.assert_close(evenly(logits, target), build(name, kind)(logits, target))
    assert not torch.isclose(loss(logits, target), build(name, kind)(logits, target))
    if kind == "multilabel":
        _, gradient = value_and_gradient(loss, logits, target)
        assert (gradient[:, 0] == 0).all()


def test_class_weights_that_do_not_fit_are_refused():
    dice = LOSSES.get("dice").factory
    with pytest.raises(PartError, match="a binary task has only one class"):
        dice(TASKS["binary"], class_weights=(1.0,))
    with pytest.raises(PartError, match="2 weights for 3 classes\n  try: give one for each of skin,"):
        dice(TASKS["multiclass"], class_weights=(1.0, 2.0))
    with pytest.raises(PartError, match="class_weights: all are zero"):
        dice(TASKS["multiclass"], class_weights=(0.0, 0.0, 0.0))

"""Losses and metrics that would fail an hour later are told before a run, with their line."""

import pytest
import torch

from segkit.core.errors import PartError
from segkit.core.registry import LOSSES, METRICS
from segkit.core.types import Metric, Task
from segkit.experiments.objectives import build_loss, build_metric, is_mean_over_images
from segkit.recipe.part_schema import LossPart, MetricPart

TASK = Task("binary", ("lesion",))


def unreduced(logits, target):
    return (logits[:, 0] - target) ** 2


def detached(logits, target):
    return logits.detach().mean()


def a_float(logits, target):
    return logits.mean().item()


def failing(logits, target):
    return logits[:, 7].mean()


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (unreduced, "loss 'mine' gives a tensor of shape (2, 32, 32)"),
        (detached, "loss 'mine' gives a number without a gradient"),
        (a_float, "loss 'mine' gives a float"),
    ],
)
def test_loss_that_is_no_number_with_a_gradient_is_refused(function, told):
    def mine(task):
        return function

    LOSSES.register("mine")(mine)
    with pytest.raises(PartError) as caught:
        build_loss(LossPart(name="mine"), TASK)
    assert str(caught.value) == (
        f"{__file__}:{mine.__code__.co_firstlineno}: {told}\n"
        "  try: (logits, target) -> one number, computed from the logits by torch: take the .mean()"
    )


def test_loss_that_fails_is_told_with_its_line():
    LOSSES.register("mine")(lambda task: failing)
    with pytest.raises(PartError, match="loss 'mine' fails: IndexError: index 7 is out of bounds") as caught:
        build_loss(LossPart(name="mine"), TASK)
    assert caught.value.problems[0].file == f"{__file__}:{failing.__code__.co_firstlineno + 1}"


@pytest.mark.parametrize(
    ("built", "told"),
    [
        (lambda logits, target: logits, "metric 'mine' is built as a function, not as a Metric"),
        (
            Metric(lambda logits, target: logits.mean((1, 2, 3))),
            "images are a tensor of shape (2,)\n  try: (B, S)",
        ),
        (Metric(lambda logits, target: logits.mean()), "images are a number without a gradient"),
        (
            Metric(lambda logits, target: logits.mean((2, 3)), lambda rows: None),
            "the score of metric 'mine' is a None",
        ),
    ],
)
def test_metric_without_a_row_for_each_image_is_refused(built, told):
    METRICS.register("mine")(lambda task: built)
    with pytest.raises(PartError) as caught:
        build_metric(MetricPart(name="mine"), TASK)
    assert told in str(caught.value)


@pytest.mark.parametrize("stated", [1, (0, 1, 2), (1, 0), ("0", "1"), (0, float("nan"))])
def test_a_range_that_is_none_is_refused_before_training(stated):
    METRICS.register("mine", range=stated)(lambda task: None)
    with pytest.raises(PartError) as caught:
        build_metric(MetricPart(name="mine"), TASK)
    (problem,) = caught.value.problems
    assert problem.problem == f"the range of metric 'mine' is {stated!r}"
    assert problem.hint == "the lowest and the highest possible score, such as range=(0, 1)"
    assert "test_objectives.py:" in problem.file


def test_what_is_drawn_while_trying_does_not_change_a_run():
    def drawing(logits, target):
        return (logits * torch.rand(())).mean()

    LOSSES.register("mine")(lambda task: drawing)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    build_loss(LossPart(name="mine"), TASK)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "options", "kind", "ignore_index", "expected"),
    [
        ("dice", {}, "binary", None, True),
        ("dice", {}, "multilabel", 255, True),
        ("dice", {"over": "batch"}, "binary", None, False),
        ("lovasz", {}, "multiclass", 255, True),
        ("lovasz", {"over": "batch"}, "multiclass", None, False),
        ("mcc", {"over": "batch"}, "multilabel", None, False),
        ("bce", {}, "binary", None, True),
        ("bce", {}, "binary", 255, False),
        ("bce", {"class_weights": (1, 2, 3)}, "multilabel", None, True),
        ("cross_entropy", {}, "multiclass", None, True),
        ("cross_entropy", {"class_weights": (1, 2, 3)}, "multiclass", None, False),
        ("focal", {"class_weights": (1, 2, 3)}, "multiclass", None, False),
    ],
)
def test_losses_that_are_not_means_over_images_are_found(name, options, kind, ignore_index, expected):
    classes = ("lesion",) if kind == "binary" else ("a", "b", "c")
    part = LossPart(name=name, **options)
    assert is_mean_over_images(part, Task(kind, classes, ignore_index)) is expected

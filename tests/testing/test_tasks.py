"""What is said of a loss or a metric that fails is about the task or the batch that makes it fail."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from segkit.core.errors import PartError
from segkit.core.registry import LOSSES, METRICS, entry_of
from segkit.core.types import Metric, Task
from segkit.testing import Check, Subject, losses, metrics, tasks


def for_binary(task: Task):
    """Written with binary tasks in mind, without saying so."""

    def loss(logits, target):
        target = target.unsqueeze(1)
        pixels = torch.ones_like(target) if task.ignore_index is None else target != task.ignore_index
        values = F.binary_cross_entropy_with_logits(logits, (target == 1).to(logits.dtype), reduction="none")
        return (values * pixels).mean()

    return loss


def for_binary_rows(task: Task) -> Metric:
    def rows(logits, target):
        if target.ndim == 3:
            target = target[:, None, :, :].expand(-1, 1 if task.kind == "binary" else 2, -1, -1)
        return ((logits > 0) == (target == 1)).float().mean((1, 2, 3))[:, None]

    return Metric(rows)


def not_for_multiclass(task: Task):
    def loss(logits, target):
        if task.kind == "multiclass":
            raise ValueError("three classes")
        return (logits.float() * 0).sum()

    return loss


def for_none(task: Task):
    return lambda logits, target: logits.nothing


def told(factory, point, registry=LOSSES):
    problem = Check(Subject(entry_of(registry, "mine", factory), {}), point).outcome().problem
    assert problem is not None
    return problem


@pytest.mark.parametrize(
    "point",
    [
        losses.it_gives_one_finite_number,
        losses.ignored_pixels_do_not_matter,
        losses.half_precision_logits_stay_finite,
        losses.it_works_where_nothing_is_ignored,
    ],
)
def test_loss_that_fits_one_kind_alone_is_told_to_refuse_the_others(point):
    problem = told(for_binary, point)
    assert problem.problem.startswith(
        "multiclass: it fails: ValueError: Target size (torch.Size([3, 1, 24, 20]))"
    )
    assert problem.hint == (
        "if it is not meant for multiclass tasks, say so where it is built: "
        'if task.kind != "binary": raise PartError("mine is for binary tasks"); otherwise, for a multiclass '
        "task, logits are (B, K, H, W) and the target is (B, H, W) of labels 0 to K - 1, not one-hot"
    )


def test_loss_that_fits_two_kinds_is_told_to_refuse_the_third():
    hint = told(not_for_multiclass, losses.it_gives_one_finite_number).hint
    assert (
        'built: if task.kind == "multiclass": raise PartError("mine is not for multiclass tasks"); oth'
        in hint
    )


def test_metric_is_told_of_its_task_and_not_of_half_precision():
    problem = told(for_binary_rows, metrics.half_precision_logits_give_nearly_the_same_score, METRICS)
    assert problem.problem.startswith("multiclass: it fails: RuntimeError: The size of tensor a (3)")
    assert problem.hint.startswith(
        "if it is not meant for multiclass tasks, say so where it is built: if task"
    )


def test_part_that_fits_nothing_is_told_the_shapes_of_the_task():
    problem = told(for_none, losses.ignored_pixels_do_not_matter)
    assert problem.problem == "binary: it fails: AttributeError: 'Tensor' object has no attribute 'nothing'"
    assert problem.hint == (
        "for a binary task, logits are (B, 1, H, W) and the target is (B, H, W), to which logits[:, 0] fits"
    )


def test_failure_while_it_is_built_is_told_with_its_task():
    def careless(task: Task):
        if task.kind == "multilabel":
            raise PartError("no")
        return {"binary": 1}[task.kind]

    problem = told(careless, losses.it_fits_some_task)
    assert problem.problem == "when it is built for a multiclass task: it fails: KeyError: 'multiclass'"


@pytest.mark.parametrize("ignore_index", [None, 255])
def test_known_as_hints_write_it_works_with_and_without_ignored_pixels(ignore_index):
    target = torch.tensor([[[0, 1], [255, 1]]])
    given = {"torch": torch, "target": target, "task": Task("binary", ("lesion",), ignore_index)}
    exec(tasks.KNOWN, given)
    kept = target.masked_fill(~given["known"], 0)
    assert kept.flatten().tolist() == [0, 1, 255 if ignore_index is None else 0, 1]
    for hint in (tasks.REPLACE, tasks.NO_INDEX, losses._MASK, metrics._MASK):
        assert tasks.KNOWN in hint

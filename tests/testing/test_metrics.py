"""Every check of metrics catches a broken metric."""

from __future__ import annotations

import random

import pytest
import torch

from segkit.core.errors import PartError
from segkit.core.types import Metric, Task
from tests.testing.contract import assert_caught, assert_complete, assert_passes


def known(task: Task, target):
    return target == target if task.ignore_index is None else target != task.ignore_index


def masks(task, logits, target):
    pixels = known(task, target)
    return (logits[:, 0] > 0) & pixels, (target == 1) & pixels, pixels


def good(task: Task) -> Metric:
    """IoU, undefined for empty masks."""
    if task.kind != "binary":
        raise PartError("good is for binary tasks")

    def per_image(logits, target):
        predicted, true, _ = masks(task, logits, target)
        return ((predicted & true).sum((1, 2)) / (predicted | true).sum((1, 2)))[:, None]

    return Metric(per_image)


def area_error(task: Task) -> Metric:
    """A metric may be in pixels, smaller may be better, and its score may need all rows."""
    if task.kind != "multilabel":
        raise PartError("area_error is for multilabel tasks")

    def per_image(logits, target):
        pixels = known(task, target)
        predicted, true = ((mask & pixels).sum((2, 3)) for mask in (logits > 0, target == 1))
        return (predicted - true).abs().double().where(pixels.any(3).any(2), torch.nan)

    return Metric(per_image, lambda per_image: float(per_image.nanmean(0).max()))


@pytest.mark.parametrize(("factory", "higher"), [(good, True), (area_error, False)])
def test_correct_metric_passes(factory, higher):
    assert_passes("metric", factory, traits={"higher_is_better": higher})


def binary(compute, score=None):
    """A metric for binary tasks from a function of (task, logits, target) that returns rows."""

    def factory(task: Task) -> Metric:
        good(task)
        return Metric(lambda logits, target: compute(task, logits, target), score)

    return factory


def of_good(task, logits, target):
    return good(task).per_image(logits, target)


def right(task, logits, target):
    """The share of pixels that are right, (B, 1)."""
    predicted, true, pixels = masks(task, logits, target)
    return ((predicted == true) & pixels).sum((1, 2))[:, None] / pixels.sum((1, 2))[:, None]


def fits_nothing(task: Task):
    raise PartError(f"no {task.kind}")


def whole_batch(task, logits, target):
    predicted, true, _ = masks(task, logits, target)
    return ((predicted & true).sum() / (predicted | true).sum()).expand(len(logits), 1)


def defined_nowhere(task, logits, target):
    return torch.full((len(logits), 1), torch.nan)


def undefined_where_all_is_found(task, logits, target):
    per_image = of_good(task, logits, target)
    return per_image.where(per_image < 1, torch.nan)


def bounded(task, logits, target):
    """Cannot tell the truth from its opposite."""
    return of_good(task, logits, target).clamp(max=0)


def needs_a_pixel(task, logits, target):
    return of_good(task, logits, target) + 0 * torch.stack([mask.nonzero()[0, :1] for mask in target])


def relative_area(task, logits, target):
    predicted, true, _ = masks(task, logits, target)
    return ((predicted ^ true).sum((1, 2)) / true.sum((1, 2)))[:, None]


def odds(per_image):
    """A score that is infinite where every row is 1."""
    return float(per_image.nanmean() / (1 - per_image.nanmean()))


def zero_if_undefined(task, logits, target):
    return of_good(task, logits, target).nan_to_num(0)


def counts(task, logits, target):
    predicted, true, pixels = masks(task, logits, target)
    both = torch.stack([(predicted & true).sum((1, 2)), (predicted | true).sum((1, 2))], 1).double()
    return both.where(pixels.any(2).any(1)[:, None], torch.nan)


def sees_ignored(task, logits, target):
    return (((logits[:, 0] > 0) == (target == 1)).float()).mean((1, 2))[:, None]


def ignores_255(task, logits, target):
    return right(Task("binary", ("lesion",), 255), logits, target)


def never_none(task, logits, target):
    pixels = (target != task.ignore_index).float()
    hit = ((logits[:, 0] > 0) == (target == 1)).float() * pixels
    return (hit.sum((1, 2)) / pixels.sum((1, 2)))[:, None]


def none_is_background(task, logits, target):
    return right(Task("binary", ("lesion",), task.ignore_index or 0), logits, target)


def unsigned(task, logits, target):
    pixels = known(task, target)
    error = (logits[:, 0].sigmoid() - (target * 2 - 1)).abs() * pixels  # -1 is 255 in uint8
    return -(error.sum((1, 2)) / pixels.sum((1, 2)))[:, None]


def only_long(task, logits, target):
    true = target.masked_fill(~known(task, target), 0)
    return right(task, logits, target) + 0 * torch.eye(2).gather(1, true[0, :2, :1]).sum()


def with_noise(task, logits, target):
    return of_good(task, logits, target) - random.random()


def with_memory(task: Task) -> Metric:
    good(task)
    seen = []

    def per_image(logits, target):
        seen.append(1)
        return of_good(task, logits, target) / len(seen)

    return Metric(per_image)


def replaces_in_target(task, logits, target):
    predicted, _, pixels = masks(task, logits, target)
    target[~pixels] = 0
    return ((predicted & (target == 1)).sum((1, 2)) / (predicted | (target == 1)).sum((1, 2)))[:, None]


def rounds_logits(task, logits, target):
    return of_good(task, logits.round_(decimals=3), target)


def replaces_in_rows(per_image):
    return float(per_image.nan_to_num_(0).mean())


def infinite_if_empty(task, logits, target):
    return of_good(task, logits, target).nan_to_num(torch.inf)


def plain_function(task: Task):
    return good(task).per_image


def mean_of_parts(task: Task) -> Metric:
    """The share of pixels that are right, which is not a sum."""
    good(task)
    return Metric.summed(lambda logits, target: right(task, logits, target).double(), lambda sums: sums)


FINITE = "scores_are_finite_or_undefined"
DIRECTION = "correct_predictions_score_better"
IGNORED = "ignored_pixels_do_not_count"
SAME = "same_batch_gives_the_same_result"
BROKEN = [
    (FINITE, fits_nothing, "it refuses every task: no binary; no multiclass; no multilabel"),
    (FINITE, plain_function, "binary: it returns a function, not a Metric\n  try: return Metric(per_image)"),
    (
        FINITE,
        binary(lambda *given: of_good(*given)[:, 0]),
        "rows of 3 images have the shape (3,), not (3, S)",
    ),
    (
        FINITE,
        binary(lambda *given: of_good(*given)[:1]),
        "rows of 3 images have the shape (1, 1), not (3, S)",
    ),
    (FINITE, binary(lambda *given: of_good(*given).tolist()), "per_image returns a list, not a tensor"),
    (FINITE, binary(lambda *given: of_good(*given) > 0.5), "rows have the dtype torch.bool\n"),
    (
        FINITE,
        binary(of_good, lambda per_image: per_image.mean()),
        "score returns a Tensor, not a number\n  try: use float(",
    ),
    (FINITE, binary(defined_nowhere), "binary: the score of three images is nan\n  try: a row without"),
    (
        FINITE,
        binary(of_good, lambda per_image: float(per_image[0, 0] / (len(per_image) - 1))),
        "binary: the score of one image is inf",
    ),
    (FINITE, binary(needs_a_pixel), "binary: it fails: IndexError: index 0 is out of bounds"),
    (
        FINITE,
        binary(relative_area),
        "the score is infinite if the target is empty and the prediction ordinary\n  try: define the score",
    ),
    (FINITE, binary(infinite_if_empty), "the score is infinite if the target is empty and the prediction"),
    (FINITE, binary(right, odds), "binary: the score is infinite if the target is "),
    (
        DIRECTION,
        binary(relative_area),
        "with higher_is_better=True a correct prediction scores 0, a wrong one ...higher_is_better=False)",
    ),
    (DIRECTION, binary(bounded), "a correct prediction scores 0, a wrong one 0\n"),
    (DIRECTION, binary(undefined_where_all_is_found), "a correct prediction scores nan, a wrong one"),
    (
        "rows_do_not_depend_on_the_batch_size",
        binary(whole_batch),
        "binary: the result changes from 0...in a batch of 1 images instead of 33\n  try: sum over the pixel",
    ),
    (
        "any_integer_target_gives_the_same_result",
        binary(unsigned),
        "the result changes from -...if the target is torch.uint8, not torch.int64",
    ),
    (
        "any_integer_target_gives_the_same_result",
        binary(only_long),
        "RuntimeError: gather(): Expected dtype int32/int64 for index",
    ),
    (
        IGNORED,
        binary(sees_ignored),
        "if logits of ignored pixels change\n  try: use only pixels where valid =",
    ),
    (IGNORED, binary(ignores_255), "if task.ignore_index is 7, not 255, as are the ignored pixels"),
    (IGNORED, binary(never_none), "'bool' object has no attribute 'float'"),
    (IGNORED, binary(none_is_background), "if task.ignore_index is None"),
    (
        "ignored_images_do_not_change_the_score",
        binary(zero_if_undefined),
        "binary: an image of ignored pixels changes the score from 0...\n  try: a row without pixels",
    ),
    (
        "ignored_images_do_not_change_the_score",
        binary(counts, lambda per_image: float(per_image.sum(0)[0] / per_image.sum(0)[1])),
        "changes the score from ... to nan",
    ),
    (
        "ignored_images_do_not_change_the_score",
        binary(of_good, replaces_in_rows),
        "the result changes from nan to 0 because score changes its input\n  try: work on rows.clone()",
    ),
    (
        "sums_over_parts_give_the_same_rows",
        mean_of_parts,
        "if an image is scored in two parts\n  try: parts(logits, target) returns sums over pixels",
    ),
    (
        SAME,
        binary(with_noise),
        "binary: the result changes from ... for the same batch\n  try: use no random",
    ),
    (SAME, with_memory, "and keep nothing from one batch to the next"),
    (SAME, binary(replaces_in_target), "binary: it changes its input target\n  try: use clone()"),
    (SAME, binary(rounds_logits), "binary: it changes its input logits"),
]


@pytest.mark.parametrize(("name", "factory", "message"), BROKEN)
def test_check_catches_a_broken_metric(name, factory, message):
    assert_caught("metric", name, factory, message)


def test_direction_that_is_not_declared_is_caught():
    message = "with higher_is_better=False ...register(..., higher_is_better=True)"
    assert_caught("metric", DIRECTION, good, message, traits={"higher_is_better": False})


RANGE = "scores_are_within_the_range"


@pytest.mark.parametrize(("stated", "score"), [((0, 0.9), "1"), ((0.1, 1), "0")])
def test_a_score_outside_of_the_stated_range_is_caught(stated, score):
    message = (
        f"binary: a score is {score}, but the range is {stated[0]} to {stated[1]}\n  try: check the metric"
    )
    assert_caught("metric", RANGE, binary(right), message, traits={"range": stated})
    assert_passes("metric", good, traits={"range": (0, 1)})


def test_every_check_catches_something():
    assert_complete("metric", [*BROKEN, (RANGE, binary(right), "")])

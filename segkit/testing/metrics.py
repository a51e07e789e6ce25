"""Contract checks of metrics."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from segkit.core.types import Metric
from segkit.testing import tasks
from segkit.testing.check import ContractError, Subject, require
from segkit.testing.tasks import TASK_CHECKS, TaskCase, batch, logits_of, require_same, with_ignored

_ROWS_HINT = "return Metric(per_image), where per_image(logits, target) returns (B, S) floats"
_SCORE_HINT = "a row without pixels is NaN or zero counts; a score(rows) of your own uses nanmean or nansum"


@torch.inference_mode()
def _compute(metric: Metric, logits: Tensor, target: Tensor) -> Tensor:
    if not isinstance(metric, Metric):
        raise ContractError(f"it returns a {type(metric).__name__}, not a Metric", hint=_ROWS_HINT)
    rows: Any = metric.per_image(logits, target)
    if not isinstance(rows, Tensor):
        raise ContractError(f"per_image returns a {type(rows).__name__}, not a tensor", hint=_ROWS_HINT)
    shape, images = tuple(rows.shape), len(logits)
    valid = len(shape) == 2 and shape[0] == images and shape[1] > 0
    require(valid, f"rows of {images} images have the shape {shape}, not ({images}, S)", _ROWS_HINT)
    require(rows.is_floating_point(), f"rows have the dtype {rows.dtype}", _ROWS_HINT)
    return rows


def cases(subject: Subject) -> list[TaskCase]:
    """A case for each kind of task."""
    return tasks.task_cases(subject, _compute)


def use(case: TaskCase) -> None:
    """Compute a score."""
    metric = case.build()
    _score(metric, _compute(metric, *batch(case.task)))


def scores_are_finite_or_undefined(case: TaskCase) -> None:
    """Images and predictions without a foreground pixel are common; their score may be NaN."""
    metric, (logits, target) = case.build(), batch(case.task)
    for name, images in (("three images", 3), ("one image", 1)):
        score = _score(metric, _compute(metric, logits[:images], target[:images]))
        require(math.isfinite(score), f"the score of {name} is {score}", _SCORE_HINT)
    masks = {"ordinary": target, **tasks.constant_targets(case.task, target)}
    for truth, labels in masks.items():
        for prediction, mask in masks.items():
            rows = _compute(metric, logits_of(case.task, mask), labels)
            problem = f"the score is infinite if the target is {truth} and the prediction {prediction}"
            infinite = bool(rows.isinf().any()) or math.isinf(_score(metric, rows))
            require(not infinite, problem, "define the score of empty masks as 1, 0 or NaN (undefined)")


def scores_are_within_the_range(case: TaskCase) -> None:
    """Intervals of scores are clipped to the range that the metric states."""
    metric, (_, target) = case.build(), batch(case.task)
    low, high = case.subject.entry.traits["range"]
    wrong, constant = tasks.opposite(case.task, target), tasks.constant_targets(case.task, target)
    for mask in (target, wrong, *constant.values()):
        score = _score(metric, _compute(metric, logits_of(case.task, mask), target))
        problem = f"a score is {score:.6g}, but the range is {low:.6g} to {high:.6g}"
        hint = "check the metric, or register(..., range=(lowest, highest))"
        require(not (score < low or score > high), problem, hint)


def correct_predictions_score_better(case: TaskCase) -> None:
    """The best epoch is chosen in the direction of the trait `higher_is_better`."""
    metric, (_, target) = case.build(), batch(case.task)
    higher = bool(case.subject.entry.traits["higher_is_better"])
    predictions = (target, tasks.opposite(case.task, target))
    right, wrong = (_score(metric, _compute(metric, logits_of(case.task, p), target)) for p in predictions)
    problem = (
        f"with higher_is_better={higher} a correct prediction scores {right:.6g}, a wrong one {wrong:.6g}"
    )
    hint = f"check the metric, or register(..., higher_is_better={not higher})"
    require(right > wrong if higher else right < wrong, problem, hint)


def rows_do_not_depend_on_the_batch_size(case: TaskCase) -> None:
    """Scores are the same for every `batch_size`, to the last bit."""
    metric, (logits, target) = case.build(), batch(case.task, images=33)
    target[1:4], _ = with_ignored(case.task, target[1:4])
    expected = _compute(metric, logits, target)
    for first, last in ((0, 1), (1, 2), (32, 33), (2, 9)):
        rows = _compute(metric, logits[first:last], target[first:last])
        when = f"in a batch of {last - first} images instead of 33"
        hint = "sum over the pixels of each image: .sum((-2, -1)), or .flatten(1).sum(1)"
        require_same(expected[first:last], rows, when, hint, tolerance=0)


def ignored_images_do_not_change_the_score(case: TaskCase) -> None:
    """An image without ground truth is neither right nor wrong."""
    metric, (logits, target) = case.build(), batch(case.task)
    rows = _compute(metric, logits, target)
    ignored = _compute(metric, logits[:1], torch.full_like(target[:1], tasks.IGNORED))
    before, after = _score(metric, rows), _score(metric, torch.cat([rows, ignored.to(rows.dtype)]))
    problem = f"an image of ignored pixels changes the score from {before:.6g} to {after:.6g}"
    require(math.isclose(before, after, rel_tol=1e-9), problem, _SCORE_HINT)


def sums_over_parts_give_the_same_rows(case: TaskCase) -> None:
    """Large images are scored in parts, whose numbers are added, if the metric is `Metric.summed`."""
    metric, (logits, target) = case.build(), batch(case.task)
    if not metric.sums:
        return
    target[:1] = with_ignored(case.task, target[:1])[0]
    halves = [slice(None, 9), slice(9, None)]
    sums = [metric.sums.parts(logits[..., rows, :], target[..., rows, :]) for rows in halves]
    rows = metric.sums.rows(sums[0] + sums[1])
    hint = "parts(logits, target) returns sums over pixels: no means, no shares"
    when = "if an image is scored in two parts"
    require_same(_compute(metric, logits, target), rows, when, hint, tolerance=1e-9)


def _score(metric: Metric, rows: Tensor) -> float:
    rows = rows.double()
    copy = rows.clone()
    score: Any = metric.reduce(copy)
    if not isinstance(score, (int, float)):
        raise ContractError(f"score returns a {type(score).__name__}, not a number", hint="use float(...)")
    require_same(rows, copy, "because score changes its input", "work on rows.clone()", tolerance=0)
    return float(score)


CHECKS = (
    scores_are_finite_or_undefined, scores_are_within_the_range, correct_predictions_score_better,
    rows_do_not_depend_on_the_batch_size, ignored_images_do_not_change_the_score,
    sums_over_parts_give_the_same_rows, *TASK_CHECKS,
)  # fmt: skip

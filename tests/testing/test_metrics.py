"""Every point of the contract of metrics catches a metric that breaks it, and says what to change."""

from __future__ import annotations

import random
import re

import pytest
import torch

from segkit.core.errors import PartError
from segkit.core.registry import METRICS, entry_of
from segkit.core.types import Metric, Task
from segkit.testing import Check, ContractError, Subject
from segkit.testing import metrics as points


def known(task: Task, target):
    return target == target if task.ignore_index is None else target != task.ignore_index


def masks(task, logits, target):
    pixels = known(task, target)
    return (logits[:, 0] > 0) & pixels, (target == 1) & pixels, pixels


def good(task: Task) -> Metric:
    """Ten lines that keep every point: IoU, undefined where nothing is."""
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


def tried(point, factory, *, higher: bool = True) -> None:
    entry = entry_of(METRICS, "broken", factory, traits={"higher_is_better": higher})
    Check(Subject(entry, {}), point)()


@pytest.mark.parametrize(("factory", "higher"), [(good, True), (area_error, False)])
@pytest.mark.parametrize("point", points.CHECKS, ids=lambda point: point.__name__)
def test_point_is_kept_by_ten_lines(point, factory, higher):
    tried(point, factory, higher=higher)


def binary(compute, score=None):
    """A metric for binary tasks from (task, logits, target) -> rows."""

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


def one_hot(task, logits, target):
    true = torch.nn.functional.one_hot(target.long(), 2)[..., 1] == 1
    return of_good(task, logits, true)


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


BROKEN = {
    points.it_fits_some_task: [
        (fits_nothing, "it refuses every task: no binary; no multiclass; no multilabel"),
    ],
    points.it_gives_a_row_for_each_image: [
        (plain_function, "binary: it gives a function, not a Metric\n  try: return Metric(rows), where"),
        (binary(lambda *given: of_good(*given)[:, 0]), "rows of 3 images have the shape (3,), not (3, S)"),
        (binary(lambda *given: of_good(*given)[:1]), "rows of 3 images have the shape (1, 1), not (3, S)"),
        (binary(lambda *given: of_good(*given).tolist()), "binary: rows gives a list, not a tensor"),
        (binary(lambda *given: of_good(*given) > 0.5), "binary: rows are of type bool, not floating"),
    ],
    points.its_score_is_a_finite_number: [
        (
            binary(of_good, lambda per_image: per_image.mean()),
            "binary: score gives a Tensor, not a number\n  try: float(",
        ),
        (binary(defined_nowhere), "binary: the score of three ordinary images is nan"),
        (
            binary(of_good, lambda per_image: float(per_image[0, 0] / (len(per_image) - 1))),
            "binary: the score of one ordinary image is inf",
        ),
    ],
    points.the_truth_scores_better_than_its_opposite: [
        (
            binary(relative_area),
            "the truth scores 0 and a...higher is better\n  try: if lower is better: register",
        ),
        (binary(bounded), "the truth scores 0 and a prediction that is wrong everywhere 0, where higher"),
        (binary(undefined_where_all_is_found), "binary: the truth scores nan and"),
    ],
    points.the_row_of_an_image_is_independent_of_the_batch_size: [
        (
            binary(whole_batch),
            "binary: the row of an image is 0...in a batch of 33 and 0...in one of 1\n  try: sum",
        ),
    ],
    points.empty_masks_are_scored_or_undefined: [
        (
            binary(needs_a_pixel),
            "binary: it fails: IndexError: index 0 is out of bounds",
        ),
        (binary(relative_area), "binary: a row is infinite where the truth is empty, the prediction"),
        (binary(infinite_if_empty), "binary: a row is infinite where the truth is empty, the prediction"),
        (binary(right, odds), "binary: the score is inf where the truth is empty, the prediction"),
    ],
    points.any_integer_target_gives_the_same_score: [
        (
            binary(unsigned),
            "binary: the row of an image changes from -...when the target is uint8, not int64",
        ),
        (binary(only_long), "RuntimeError: gather(): Expected dtype int32/int64 for index"),
    ],
    points.ignored_pixels_count_for_nothing: [
        (
            binary(sees_ignored),
            "changes on ignored pixels\n  try: count only where known, with known = torch.ones_like(target",
        ),
        (binary(ignores_255), "when task.ignore_index is 7, not 255, as are the ignored pixels"),
        (
            binary(one_hot),
            "Class values must be smaller than num_classes.",
        ),
    ],
    points.a_wholly_ignored_image_leaves_the_score_as_it_is: [
        (
            binary(zero_if_undefined),
            "binary: the score changes from 0...with an image that is ignored altogether",
        ),
        (
            binary(counts, lambda per_image: float(per_image.sum(0)[0] / per_image.sum(0)[1])),
            "to nan with an image that is",
        ),
        (
            binary(one_hot),
            "Class values must be smaller than num_classes.",
        ),
    ],
    points.it_works_where_nothing_is_ignored: [
        (
            binary(never_none),
            "'bool' object has no attribute 'float'",
        ),
        (binary(none_is_background), "when task.ignore_index is None and no pixel was ignored before"),
    ],
    points.the_same_batch_gives_the_same_rows: [
        (binary(with_noise), "binary: the first row of a batch is ...and later "),
        (
            with_memory,
            "draw nothing at random, and keep nothing from one batch to the next",
        ),
    ],
    points.inputs_stay_unchanged: [
        (
            binary(replaces_in_target),
            "binary: it changes the target that it is given\n  try: operations that end",
        ),
        (binary(rounds_logits), "binary: it changes the logits that it is given"),
        (binary(of_good, replaces_in_rows), "binary: its score changes the rows that it is given"),
    ],
}
CAUGHT = [(point, *broken) for point, all_broken in BROKEN.items() for broken in all_broken]


@pytest.mark.parametrize(("point", "factory", "message"), CAUGHT)
def test_point_catches(point, factory, message):
    pattern = ".*".join(map(re.escape, message.split("...")))
    with pytest.raises(ContractError, match=f"(?s){pattern}"):
        tried(point, factory)


def test_point_catches_a_direction_that_is_not_stated():
    message = re.escape("if higher is better: register(..., higher_is_better=True)")
    with pytest.raises(ContractError, match=message):
        tried(points.the_truth_scores_better_than_its_opposite, good, higher=False)


def test_every_point_is_shown_to_catch_something():
    assert list(BROKEN) == list(points.CHECKS)

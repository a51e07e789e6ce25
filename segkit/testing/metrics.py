"""The contract of a metric: rows for each image, and the score of any number of rows."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from segkit.core.types import Metric
from segkit.testing.check import ContractError, Point, on_every, require
from segkit.testing.tasks import (
    IGNORED,
    IN_PLACE,
    INTEGERS,
    KNOWN,
    PURE,
    Case,
    as_logits,
    batch,
    cases,
    it_fits_some_task,
    logits_of,
    one_valued,
    opposite,
    with_ignored,
    word_for,
)

_ROWS = "return Metric(rows), where rows(logits, target) gives (B, S) floats: one row for each image"
_MASK = f"count only where known, with {KNOWN}"
_EMPTY = "define the score where nothing is there: 1, 0, or NaN for undefined, but no division by zero"
_SCORE = "a row that counts nothing is NaN, or zero counts; a score(rows) of your own uses nanmean or nansum"
_ALONE = "sum over the pixels of each image alone: .sum((-2, -1)), or .flatten(1).sum(1)"


@on_every(cases)
def it_gives_a_row_for_each_image(case: Case) -> None:
    """Scores are kept by image; reports and comparisons are made of these rows."""
    metric = case.build()
    require(isinstance(metric, Metric), f"it gives a {type(metric).__name__}, not a Metric", _ROWS)
    _rows(metric, *batch(case.task))
    _rows(metric, *batch(case.task, images=1, size=(17, 30), seed=1))


@on_every(cases)
def its_score_is_a_finite_number(case: Case) -> None:
    """A best epoch is chosen by it, and tables are made of it."""
    metric = case.build()
    per_image = _rows(metric, *batch(case.task))
    for word, some in (("three ordinary images", per_image), ("one ordinary image", per_image[:1])):
        value = _score(metric, some)
        require(math.isfinite(value), f"the score of {word} is {value}", _SCORE)


@on_every(cases)
def the_truth_scores_better_than_its_opposite(case: Case) -> None:
    """Models are ranked by the score, in the direction that the part states when it registers."""
    metric, (_, target) = case.build(), batch(case.task)
    higher = bool(case.subject.entry.traits["higher_is_better"])
    best, worst = (
        _score(metric, _rows(metric, logits_of(case.task, truth), target))
        for truth in (target, opposite(case.task, target))
    )
    require(
        best > worst if higher else best < worst,
        f"the truth scores {best:.6g} and a prediction that is wrong everywhere {worst:.6g}, "
        f"where {'higher' if higher else 'lower'} is better",
        f"if {'lower' if higher else 'higher'} is better: register(..., higher_is_better={not higher})",
    )


@on_every(cases)
def the_row_of_an_image_is_independent_of_the_batch_size(case: Case) -> None:
    """The score of an image is its own, to the last bit, whatever `batch_size` evaluation runs with."""
    metric, (logits, target) = case.build(), batch(case.task, images=33)
    target[1:4], _ = with_ignored(target[1:4])
    together = _rows(metric, logits, target)
    for first, last in ((0, 1), (1, 2), (32, 33), (2, 9)):
        alone = _rows(metric, logits[first:last], target[first:last])
        require(
            _same_bits(alone, together[first:last]),
            f"the row of an image is {_text(together[first])} in a batch of 33 "
            f"and {_text(alone[0])} in one of {last - first}",
            _ALONE,
        )


@on_every(cases)
def empty_masks_are_scored_or_undefined(case: Case) -> None:
    """Images without a lesion, and predictions without one, are ordinary: no error, and nothing infinite."""
    metric, (logits, target) = case.build(), batch(case.task)
    given = {"ordinary": (logits, target)} | {
        word: (logits_of(case.task, same), same) for word, same in one_valued(case.task, target).items()
    }
    for word, (_, truth) in given.items():
        for word_2, (predicted, _) in given.items():
            per_image = _rows(metric, predicted, truth)
            _not_infinite(metric, per_image, f"the truth is {word}, the prediction {word_2}")


@on_every(cases)
def any_integer_target_gives_the_same_score(case: Case) -> None:
    """Masks are read as uint8, and other sources give int32 or int64."""
    metric, (logits, target) = case.build(), batch(case.task)
    expected = _rows(metric, logits, target)
    for dtype in (torch.uint8, torch.int32):
        found = _rows(metric, logits, target.to(dtype))
        _require_same(expected, found, f"when the target is {word_for(dtype)}, not int64", INTEGERS)


@on_every(cases)
def ignored_pixels_count_for_nothing(case: Case) -> None:
    """Nobody knows what is true there."""
    metric, (logits, target) = case.build(), batch(case.task)
    target, ignored = with_ignored(target)
    expected = _rows(metric, logits, target)
    changed = logits.where(~as_logits(case.task, ignored), 1 - 3 * logits)
    found = _rows(metric, changed, target)
    _require_same(expected, found, "when the prediction changes on ignored pixels", _MASK)
    found = _rows(case.build(ignore_index=7), logits, with_ignored(target, 7)[0])
    when = f"when task.ignore_index is 7, not {IGNORED}, as are the ignored pixels"
    _require_same(expected, found, when, _MASK)


@on_every(cases)
def a_wholly_ignored_image_leaves_the_score_as_it_is(case: Case) -> None:
    """Nothing is known of it, so it is not right and not wrong."""
    metric, (logits, target) = case.build(), batch(case.task)
    per_image = _rows(metric, logits, target)
    nothing = _rows(metric, logits[:1], torch.full_like(target[:1], IGNORED))
    _not_infinite(metric, nothing, "every pixel is ignored")
    before, after = (
        _score(metric, per_image),
        _score(metric, torch.cat([per_image, nothing.to(per_image.dtype)])),
    )
    require(
        math.isclose(before, after, rel_tol=1e-9),
        f"the score changes from {before:.6g} to {after:.6g} with an image that is ignored altogether",
        _SCORE,
    )


@on_every(cases)
def it_works_where_nothing_is_ignored(case: Case) -> None:
    """Most recipes name no `ignore_index`."""
    logits, target = batch(case.task)
    expected = _rows(case.build(), logits, target)
    found = _rows(case.build(ignore_index=None), logits, target)
    _require_same(expected, found, "when task.ignore_index is None and no pixel was ignored before", _MASK)


@on_every(cases)
def the_same_batch_gives_the_same_rows(case: Case) -> None:
    """Scores are compared between runs and repeated from checkpoints."""
    metric, given = case.build(), batch(case.task)
    first = _rows(metric, *given)
    _rows(metric, *batch(case.task, seed=1))
    for again in (metric, case.build()):
        later = _rows(again, *given)
        told = f"the first row of a batch is {_text(first[0])}, and later {_text(later[0])}"
        require(_same_bits(first, later), told, PURE)


@on_every(cases)
def inputs_stay_unchanged(case: Case) -> None:
    """The next metric gets the same tensors."""
    metric, (logits, target) = case.build(), batch(case.task)
    target, _ = with_ignored(target)
    logits_2, target_2 = logits.clone(), target.clone()
    per_image = _rows(metric, logits_2, target_2).double().clone()
    for word, before, after in (("logits", logits, logits_2), ("target", target, target_2)):
        require(torch.equal(before, after), f"it changes the {word} that it is given", IN_PLACE)
    per_image[0] = torch.nan
    kept = per_image.clone()
    metric.reduce(per_image)
    require(_same_bits(per_image, kept), "its score changes the rows that it is given", IN_PLACE)


@torch.inference_mode()
def _rows(metric: Metric, logits: Tensor, target: Tensor) -> Tensor:
    """Rows as evaluation computes them, checked for their form."""
    per_image: Any = metric.per_image(logits, target)
    if not isinstance(per_image, Tensor):
        raise ContractError(f"rows gives a {type(per_image).__name__}, not a tensor", hint=_ROWS)
    shape, images = tuple(per_image.shape), len(logits)
    fits = len(shape) == 2 and shape[0] == images and shape[1] > 0
    require(fits, f"rows of {images} images have the shape {shape}, not ({images}, S)", _ROWS)
    require(
        per_image.is_floating_point(), f"rows are of type {word_for(per_image.dtype)}, not floating", _ROWS
    )
    return per_image


def _score(metric: Metric, per_image: Tensor) -> float:
    value: Any = metric.reduce(per_image.double())
    if not isinstance(value, (int, float)):
        raise ContractError(f"score gives a {type(value).__name__}, not a number", hint="float(...)")
    return float(value)


def _not_infinite(metric: Metric, per_image: Tensor, when: str) -> None:
    require(not per_image.isinf().any(), f"a row is infinite where {when}", _EMPTY)
    value = _score(metric, per_image)
    require(not math.isinf(value), f"the score is {value} where {when}", _EMPTY)


def _require_same(expected: Tensor, found: Tensor, when: str, hint: str) -> None:
    same = torch.isclose(expected.double(), found.double(), rtol=1e-6, atol=1e-9, equal_nan=True).all(1)
    row = int((~same).int().argmax())
    problem = f"the row of an image changes from {_text(expected[row])} to {_text(found[row])} {when}"
    require(bool(same.all()), problem, hint)


def _same_bits(some: Tensor, others: Tensor) -> bool:
    return torch.equal(some.isnan(), others.isnan()) and torch.equal(some.nan_to_num(), others.nan_to_num())


def _text(row: Tensor) -> str:
    return " ".join(f"{value:.8g}" for value in row.tolist())


CHECKS: tuple[Point, ...] = (
    it_fits_some_task,
    it_gives_a_row_for_each_image,
    its_score_is_a_finite_number,
    the_truth_scores_better_than_its_opposite,
    the_row_of_an_image_is_independent_of_the_batch_size,
    empty_masks_are_scored_or_undefined,
    any_integer_target_gives_the_same_score,
    ignored_pixels_count_for_nothing,
    a_wholly_ignored_image_leaves_the_score_as_it_is,
    it_works_where_nothing_is_ignored,
    the_same_batch_gives_the_same_rows,
    inputs_stay_unchanged,
)

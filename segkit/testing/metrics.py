"""The contract of a metric: rows for each image, and the score of any number of rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from segkit.core.types import Metric
from segkit.testing.check import ContractError, Point, require
from segkit.testing.tasks import (
    ASK,
    IGNORED,
    IN_PLACE,
    INTEGERS,
    KNOWN,
    NO_INDEX,
    PURE,
    REPLACE,
    SHAPES,
    Case,
    as_logits,
    batch,
    half_right,
    it_fits_some_task,
    logits_of,
    on_every_task,
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
_FLOAT32 = "begin with logits = logits.float(): half precision rounds sums and counts"


@on_every_task(SHAPES)
def it_gives_a_row_for_each_image(case: Case) -> None:
    """Scores are kept by image; reports and comparisons are made of these rows."""
    metric = case.build()
    require(isinstance(metric, Metric), f"it gives a {type(metric).__name__}, not a Metric", _ROWS)
    _rows(metric, *batch(case.task))
    _rows(metric, *batch(case.task, images=1, size=(17, 30), seed=1))


@on_every_task()
def its_score_is_a_number(case: Case) -> None:
    """A best epoch is chosen by it, and tables are made of it."""
    metric = case.build()
    rows = _rows(metric, *batch(case.task))
    for word, score in (("three ordinary images", rows), ("one ordinary image", rows[:1])):
        value = _score(metric, score)
        require(math.isfinite(value), f"the score of {word} is {value}", _SCORE)


@on_every_task(SHAPES)
def nothing_scores_better_than_the_truth(case: Case) -> None:
    """Models are ranked by the score, in the direction that the part states when it registers."""
    metric, (_, target) = case.build(), batch(case.task)
    higher = bool(case.subject.entry.traits["higher_is_better"])
    truth = _score(metric, _rows(metric, logits_of(case.task, target), target))
    require(math.isfinite(truth), f"the score of the truth is {truth}", _EMPTY)
    margin = 1e-6 * max(1.0, abs(truth))
    for word, logits in _predictions(case, target):
        value = _score(metric, _rows(metric, logits, target))
        better = value > truth + margin if higher else value < truth - margin
        require(not better, *_direction(f"{word} scores {value:.6g}", truth, higher))
    wrong = _score(metric, _rows(metric, logits_of(case.task, opposite(case.task, target)), target))
    worse = wrong < truth - margin if higher else wrong > truth + margin
    require(
        worse,
        *_direction(f"a prediction that is wrong everywhere scores {wrong:.6g}", truth, higher),
    )


@on_every_task()
def a_batch_has_the_rows_of_its_images(case: Case) -> None:
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


@on_every_task(_EMPTY)
def empty_masks_are_scored_or_undefined(case: Case) -> None:
    """Images without a lesion, and predictions without one, are ordinary: no error, and nothing infinite."""
    metric, (logits, target) = case.build(), batch(case.task)
    same = one_valued(case.task, target)
    for word, truth in same.items():
        for predicted, given in (
            *((word_2, logits_of(case.task, mask)) for word_2, mask in same.items()),
            ("ordinary", logits),
        ):
            _not_infinite(metric, _rows(metric, given, truth), f"the truth is {word}, prediction {predicted}")
        rows = _rows(metric, logits_of(case.task, truth), target)
        _not_infinite(metric, rows, f"the truth is ordinary, the prediction {word}")


@on_every_task(REPLACE)
def wholly_ignored_images_leave_the_score_as_it_is(case: Case) -> None:
    """Nothing is known of them, so they are not right and not wrong."""
    metric, (logits, target) = case.build(), batch(case.task)
    rows = _rows(metric, logits, target)
    nothing = _rows(metric, logits[:1], torch.full_like(target[:1], IGNORED))
    _not_infinite(metric, nothing, "every pixel is ignored")
    before, after = _score(metric, rows), _score(metric, torch.cat([rows, nothing.to(rows.dtype)]))
    require(
        math.isclose(before, after, rel_tol=1e-9),
        f"the score changes from {before:.6g} to {after:.6g} with an image that is ignored altogether",
        _SCORE,
    )


@on_every_task(REPLACE)
def predictions_on_ignored_pixels_do_not_matter(case: Case) -> None:
    """Nobody knows what is true there."""
    metric, (logits, target) = case.build(), batch(case.task)
    target, ignored = with_ignored(target)
    expected = _rows(metric, logits, target)
    changed = logits.where(~as_logits(case.task, ignored), 1 - 3 * logits)
    _require_same(
        expected,
        _rows(metric, changed, target),
        "when the prediction changes on ignored pixels",
        _MASK,
    )
    found = _rows(metric, logits, target.to(torch.uint8))
    _require_same(expected, found, "when the target with ignored pixels is uint8, not int64", INTEGERS)
    other, _ = with_ignored(target, 7)
    _require_same(
        expected,
        _rows(case.build(ignore_index=7), logits, other),
        f"when ignored pixels are 7 and task.ignore_index is 7, not {IGNORED}",
        ASK,
    )


@on_every_task(NO_INDEX)
def it_works_where_nothing_is_ignored(case: Case) -> None:
    """Most recipes name no `ignore_index`."""
    logits, target = batch(case.task)
    expected = _rows(case.build(), logits, target)
    found = _rows(case.build(ignore_index=None), logits, target)
    _require_same(expected, found, "when task.ignore_index is None and no pixel was ignored before", NO_INDEX)


@on_every_task(INTEGERS)
def any_integer_target_gives_the_same_score(case: Case) -> None:
    """Masks are read as uint8, and other sources give int32 or int64."""
    metric, (logits, target) = case.build(), batch(case.task)
    expected = _rows(metric, logits, target)
    for dtype in (torch.uint8, torch.int32):
        found = _rows(metric, logits, target.to(dtype))
        _require_same(expected, found, f"when the target is {word_for(dtype)}, not int64", INTEGERS)


@on_every_task(_FLOAT32)
def half_precision_logits_give_nearly_the_same_score(case: Case) -> None:
    """Logits may come in half precision; the score is about the prediction, not about its format."""
    metric, (logits, target) = case.build(), batch(case.task)
    for dtype in (torch.bfloat16, torch.float16):
        given = logits.to(dtype)
        expected = _score(metric, _rows(metric, given.float(), target))
        found = _score(metric, _rows(metric, given, target))
        require(
            math.isclose(found, expected, rel_tol=0.02, abs_tol=0.02),
            f"the score is {found:.6g} for {word_for(dtype)} logits and {expected:.6g} for the same "
            "in float32",
            _FLOAT32,
        )


@on_every_task()
def the_order_of_images_does_not_matter(case: Case) -> None:
    """A score is about a set of images."""
    metric = case.build()
    rows = _rows(metric, *batch(case.task, images=7))
    expected, found = _score(metric, rows), _score(metric, rows[torch.tensor([3, 0, 6, 2, 5, 1, 4])])
    require(
        math.isclose(expected, found, rel_tol=1e-9, abs_tol=1e-12),
        f"the score is {expected:.6g} in one order of the images and {found:.6g} in another",
        "score(rows) gets the rows of all images in any order",
    )


@on_every_task()
def the_same_batch_gives_the_same_rows(case: Case) -> None:
    """Scores are compared between runs and repeated from checkpoints."""
    metric, given = case.build(), batch(case.task)
    first = _rows(metric, *given)
    _rows(metric, *batch(case.task, seed=1))
    for again in (metric, case.build()):
        later = _rows(again, *given)
        told = f"the first row is {_text(first[0])}, and later {_text(later[0])}"
        require(_same_bits(first, later), f"two calls on the same batch differ: {told}", PURE)


@on_every_task(REPLACE)
def its_arguments_stay_as_they_are(case: Case) -> None:
    """The next metric gets the same tensors."""
    metric, (logits, target) = case.build(), batch(case.task)
    target, _ = with_ignored(target)
    logits_2, target_2 = logits.clone(), target.clone()
    rows = _rows(metric, logits_2, target_2)
    for word, before, after in (("logits", logits, logits_2), ("target", target, target_2)):
        require(torch.equal(before, after), f"it changes the {word} that it is given", IN_PLACE)
    nothing = _rows(metric, logits, torch.full_like(target, IGNORED)).double()
    for given in (rows.double(), nothing):
        kept = given.clone()
        metric.of(given)
        require(_same_bits(given, kept), "its score changes the rows that it is given", IN_PLACE)


def _predictions(case: Case, target: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Predictions of many kinds, none of them the truth."""
    for seed in range(1, 7):
        yield "a random prediction", batch(case.task, seed=seed)[0]
    for word, same in one_valued(case.task, target).items():
        yield f"a prediction that is {word}", logits_of(case.task, same)
    yield "the truth moved by one pixel", logits_of(case.task, target.roll(1, -1))
    yield "the truth without certainty", logits_of(case.task, target, strength=0.1)
    yield "half of the truth", half_right(case.task, target)


def _direction(found: str, truth: float, higher: bool) -> tuple[str, str]:
    stated = "higher" if higher else "lower"
    return (
        f"{found} and the truth {truth:.6g}, where {stated} is better",
        f"if {'lower' if higher else 'higher'} is better: register(..., higher_is_better={not higher}); "
        "otherwise nothing may score better than the truth",
    )


@torch.inference_mode()
def _rows(metric: Metric, logits: Tensor, target: Tensor) -> Tensor:
    """Rows as evaluation computes them, checked for their form."""
    rows: Any = metric.rows(logits, target)
    if not isinstance(rows, Tensor):
        raise ContractError(f"rows gives a {type(rows).__name__}, not a tensor", hint=_ROWS)
    shape, images = tuple(rows.shape), len(logits)
    fits = len(shape) == 2 and shape[0] == images and shape[1] > 0
    require(fits, f"rows of {images} images have the shape {shape}, not ({images}, S)", _ROWS)
    require(rows.is_floating_point(), f"rows are of type {word_for(rows.dtype)}, not floating", _ROWS)
    return rows


def _score(metric: Metric, rows: Tensor) -> float:
    value: Any = metric.of(rows.double())
    if not isinstance(value, (int, float)):
        raise ContractError(f"score gives a {type(value).__name__}, not a number", hint="float(...)")
    return float(value)


def _not_infinite(metric: Metric, rows: Tensor, when: str) -> None:
    require(not rows.isinf().any(), f"a row is infinite where {when}", _EMPTY)
    for some in (rows, rows[:1]):
        value = _score(metric, some)
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
    its_score_is_a_number,
    nothing_scores_better_than_the_truth,
    a_batch_has_the_rows_of_its_images,
    empty_masks_are_scored_or_undefined,
    wholly_ignored_images_leave_the_score_as_it_is,
    predictions_on_ignored_pixels_do_not_matter,
    it_works_where_nothing_is_ignored,
    any_integer_target_gives_the_same_score,
    half_precision_logits_give_nearly_the_same_score,
    the_order_of_images_does_not_matter,
    the_same_batch_gives_the_same_rows,
    its_arguments_stay_as_they_are,
)

"""What holds for the metrics of any batch, of every task, with and without ignored pixels."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from segkit.core.registry import METRICS
from segkit.core.types import Metric
from segkit.testing.tasks import logits_of
from tests.properties.cases import Batch, batches, known, predicted

NAMES = [entry.name for entry in METRICS.own()]
SYMMETRIC = ["iou", "dice", "iou_dataset", "boundary_iou", "hd95", "pixel_accuracy"]
every_metric = pytest.mark.parametrize("name", NAMES)


def built(name: str, batch: Batch) -> Metric:
    entry = METRICS.get(name)
    assert entry is not None
    return entry.factory(batch.task)  # type: ignore[no-any-return]


def rows_of(name: str, batch: Batch) -> Tensor:
    return built(name, batch).per_image(batch.logits, batch.target)


def same(per_image: Tensor, others: Tensor) -> bool:
    return torch.equal(per_image.nan_to_num(-1), others.nan_to_num(-1))


@every_metric
@given(batch=batches(), first=st.integers(0, 4))
def test_the_rows_of_a_batch_are_those_of_its_parts(name: str, batch: Batch, first: int) -> None:
    assume(first < len(batch.target))
    metric = built(name, batch)
    together = metric.per_image(batch.logits, batch.target)
    for part in (slice(first, first + 1), slice(first, None), slice(0, first or 1)):
        assert same(metric.per_image(batch.logits[part], batch.target[part]), together[part])


@every_metric
@given(batch=batches())
def test_a_score_is_in_its_range_or_undefined(name: str, batch: Batch) -> None:
    metric = built(name, batch)
    per_image = metric.per_image(batch.logits, batch.target)
    top = math.hypot(*batch.logits.shape[-2:]) if name == "hd95" else 1.0
    for score in (metric.reduce(per_image), *(metric.reduce(row[None]) for row in per_image)):
        assert math.isnan(score) or 0 <= score <= top


@every_metric
@given(batch=batches(), chance=st.randoms())
def test_the_order_of_images_changes_nothing(name: str, batch: Batch, chance: Any) -> None:
    order = chance.sample(range(len(batch.target)), len(batch.target))
    metric = built(name, batch)
    per_image = metric.per_image(batch.logits, batch.target)
    moved = metric.per_image(batch.logits[order], batch.target[order])
    assert same(moved, per_image[order])
    assert metric.reduce(moved) == pytest.approx(metric.reduce(per_image), rel=1e-12, nan_ok=True)


@every_metric
@given(batch=batches(), there=st.sampled_from([-1e4, 0.5, 1e4]))
def test_what_is_predicted_of_ignored_pixels_changes_nothing(name: str, batch: Batch, there: float) -> None:
    pixels = known(batch)
    pixels = pixels if batch.task.kind == "multilabel" else pixels[:, None].expand_as(batch.logits)
    changed = batch._replace(logits=batch.logits.where(pixels, there))
    assert same(rows_of(name, changed), rows_of(name, batch))


@every_metric
@given(batch=batches())
def test_a_perfect_prediction_has_the_best_score(name: str, batch: Batch) -> None:
    metric = built(name, batch)
    truth = batch.target.where(known(batch), 0)
    best = 1.0 if METRICS.get(name).traits["higher_is_better"] else 0.0  # type: ignore[union-attr]
    certain = logits_of(batch.task, truth, strength=1e4)  # of which the probabilities are exactly 0 and 1
    for row in metric.per_image(certain, batch.target):
        score = metric.reduce(row[None])
        assert math.isnan(score) or score == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("name", SYMMETRIC)
@given(batch=batches())
def test_prediction_and_truth_may_change_places(name: str, batch: Batch) -> None:
    kept, other = known(batch), predicted(batch)
    swapped = batch._replace(
        logits=logits_of(batch.task, batch.target.where(kept, 0)),
        target=other.where(kept, batch.target),
    )
    assert same(rows_of(name, swapped), rows_of(name, batch))


@pytest.mark.parametrize(("iou", "dice"), [("iou", "dice"), ("iou_soft", "dice_soft")])
@given(batch=batches())
def test_dice_is_at_most_two_iou_over_one_plus_iou(iou: str, dice: str, batch: Batch) -> None:
    """And the same for one image of one class."""
    overlap, twice = (built(name, batch) for name in (iou, dice))
    of_iou, of_dice = (metric.per_image(batch.logits, batch.target) for metric in (overlap, twice))
    bound = 2 * of_iou / (1 + of_iou)
    if batch.task.kind == "binary":
        torch.testing.assert_close(of_dice, bound, rtol=1e-12, atol=0, equal_nan=True)
    assert ((of_dice <= bound + 1e-12) | of_dice.isnan()).all()
    assert (of_dice.isnan() == of_iou.isnan()).all()
    mean = overlap.reduce(of_iou)
    assert math.isnan(mean) or twice.reduce(of_dice) <= 2 * mean / (1 + mean) + 1e-12
    assert ((of_dice >= of_iou - 1e-12) | of_dice.isnan()).all()

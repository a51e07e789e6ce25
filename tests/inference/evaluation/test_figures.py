"""From probabilities to logits, and how sure a score is."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from segkit.analysis.comparison.statistics import RESAMPLES, intervals
from segkit.analysis.score_range import score_range
from segkit.core.registry import METRICS
from segkit.core.types import Metric, Task
from segkit.experiments.confidence import confidence_interval, confidence_intervals
from segkit.experiments.objectives import build_metric
from segkit.recipe import Recipe
from segkit.training.probabilities import probabilities_to_logits
from tests.small_runs import recipe

BINARY = Task("binary", ("lesion",))


def test_a_probability_is_above_a_threshold_if_and_only_if_its_logit_is() -> None:
    half = np.float32(0.5)
    near = [half, np.nextafter(half, np.float32(1)), np.nextafter(half, np.float32(0)), 0, 1e-45, 1]
    probabilities = np.array(near, np.float32).reshape(1, 1, 1, -1)
    logits = probabilities_to_logits(probabilities, BINARY)
    assert (logits > 0).flatten().tolist() == [False, True, False, False, False, True]
    assert bool(logits.isfinite().all())
    assert torch.sigmoid(logits[0, 0, 0, 1:3]).float().tolist() == [float(one) for one in near[1:3]]


def test_logits_of_classes_give_their_probabilities_again() -> None:
    shares = np.random.default_rng(0).dirichlet([1, 1, 1], 20).T.astype(np.float32).reshape(1, 3, 4, 5)
    shares[0, :, 0, 0] = 0, 0, 1
    logits = probabilities_to_logits(shares, Task("multiclass", ("a", "b", "c")))
    assert logits.softmax(1).float().numpy() == pytest.approx(shares, abs=1e-6)


@pytest.fixture
def small(tmp_path) -> Recipe:  # type: ignore[no-untyped-def]
    return recipe(tmp_path, "metrics=[iou, iou_dataset]")


def test_the_mean_over_images_has_the_interval_of_comparisons(small: Recipe) -> None:
    metric = build_metric(small.metrics[0], BINARY)
    per_image = torch.rand(100, 1, generator=torch.Generator().manual_seed(1)).double()
    found = confidence_interval(metric, per_image)
    assert found == intervals([per_image.numpy().T], resamples=RESAMPLES)[0]
    error = float(per_image.std() / 10)
    assert found.mean == pytest.approx(float(per_image.mean()))
    assert found.low == pytest.approx(found.mean - 1.96 * error, abs=0.3 * error)
    assert found.high == pytest.approx(found.mean + 1.96 * error, abs=0.3 * error)


def test_a_score_of_all_images_together_is_computed_again_for_groups_drawn_anew(small: Recipe) -> None:
    metric = build_metric(small.metrics[1], BINARY)
    torch.manual_seed(0)
    masks = torch.rand(20, 1, 8, 8) - 0.5, (torch.rand(20, 8, 8) > 0.5).long()
    rows = metric.per_image(*masks).double()
    alone = confidence_interval(metric, rows)
    twice, groups = rows.repeat(2, 1), [f"{number:02}" for number in range(20)] * 2
    known = confidence_interval(metric, twice, groups)  # each image twice tells no more than once
    assert (known.mean, known.low, known.high) == pytest.approx((alone.mean, alone.low, alone.high))
    believed = confidence_interval(metric, twice)
    assert believed.high - believed.low < 0.8 * (known.high - known.low)
    assert math.isnan(confidence_interval(metric, rows, ["one"] * 20).low)


def test_a_score_of_all_images_together_is_computed_again_for_images_drawn_anew(small: Recipe) -> None:
    metric = build_metric(small.metrics[1], BINARY)
    torch.manual_seed(0)
    logits, target = torch.randn(30, 1, 8, 8), torch.randint(0, 2, (30, 8, 8))
    per_image = torch.cat(
        [metric.per_image(one[None], mask[None]) for one, mask in zip(logits, target, strict=True)]
    )
    per_image = per_image.double()
    found = confidence_interval(metric, per_image)
    assert found.mean == metric.reduce(per_image)
    draws = np.random.default_rng(7).integers(0, 30, (2000, 30))
    low, high = np.quantile(
        [metric.reduce(per_image[torch.from_numpy(drawn)]) for drawn in draws], [0.025, 0.975]
    )
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.15 * (high - low))
    unknown = torch.full((40, per_image.shape[1]), math.nan, dtype=torch.float64)
    assert (
        confidence_interval(metric, torch.cat([unknown, per_image])) == found
    )  # images without a score are not drawn


def test_intervals_of_few_images_lie_in_the_range_of_their_metric(tmp_path: Path) -> None:
    """The bootstrap over two images, with 12.7 for 1.96 standard errors."""
    METRICS.register("gain")(lambda task: Metric(lambda logits, target: logits))
    METRICS.register("skill", range=(-1, 0.5))(lambda task: Metric(lambda logits, target: logits))
    parts = recipe(tmp_path, "metrics=[{name: iou, as: mine}, hd95, gain, skill]").metrics
    values = torch.tensor([[0.02], [0.12]], dtype=torch.float64)
    metrics = {part.key: Metric(lambda logits, target: logits) for part in parts}
    found = confidence_intervals(parts, metrics, {part.key: values for part in parts})
    free = confidence_interval(metrics["gain"], values)
    assert (free.low, free.high) == pytest.approx((-0.388, 0.528), abs=0.01)
    assert free == found["gain"]
    assert (found["mine"].low, found["mine"].high) == (0, free.high)
    assert (found["hd95"].low, found["hd95"].high) == (0, free.high)
    assert (found["skill"].low, found["skill"].high) == (free.low, 0.5)
    best = confidence_intervals(parts, metrics, {part.key: 1 - values for part in parts})
    assert (best["mine"].high, best["hd95"].high) == (1, pytest.approx(1 - free.low))


def test_every_built_in_metric_has_a_range() -> None:
    for entry in METRICS.own():
        if entry.factory.__module__.startswith("segkit.parts"):
            assert score_range(entry.name) == ((0, math.inf) if entry.name == "hd95" else (0, 1))


def test_of_one_image_nobody_is_sure(small: Recipe) -> None:
    for part in small.metrics:
        metric = build_metric(part, BINARY)
        per_image = metric.per_image(torch.ones(1, 1, 4, 4), torch.ones(1, 4, 4, dtype=torch.long)).double()
        found = confidence_interval(metric, per_image)
        assert (found.mean, math.isnan(found.low), math.isnan(found.high)) == (1.0, True, True)

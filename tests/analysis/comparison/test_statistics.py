"""Intervals hold the truth, tests do not cry wolf, and a real difference is found."""

import importlib.util
import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from segkit.analysis.comparison.statistics import compare_pairs, holm, intervals, means

SPEC = importlib.util.spec_from_file_location(
    "simulation", Path(__file__).parents[2] / "pages" / "intervals.py"
)
simulation = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(simulation)
MEAN, held, shown, simulated = simulation.MEAN, simulation.held, simulation.shown, simulation.simulated
of_a_mean, of_a_difference = simulation.of_a_mean, simulation.of_a_difference


def most(seeds):
    """Two seeds measure the spread so roughly that their intervals must be wide."""
    return 0.985 if seeds == 2 else 0.975


@pytest.mark.parametrize(("seeds", "images", "spread"), simulation.LAYOUTS)
def test_the_interval_of_a_mean_covers_the_truth(seeds, images, spread):
    assert 0.93 <= held(of_a_mean, MEAN, [seeds], images, spread) <= most(seeds)


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "images", "spread"), simulation.LAYOUTS)
def test_the_interval_of_a_difference_covers_the_truth(seeds, images, spread):
    assert 0.93 <= held(of_a_difference, 0.0, [seeds, seeds], images, spread) <= most(seeds)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [(5, 2), (4, 1)])
def test_one_may_have_more_seeds_than_the_other(seeds):
    assert 0.93 <= held(of_a_difference, 0.0, seeds, 200, 0.01) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "images", "spread"), simulation.ALIKE)
def test_where_seeds_change_nothing_intervals_are_not_too_narrow(seeds, images, spread):
    assert 0.93 <= held(of_a_mean, MEAN, [seeds], images, spread) <= most(seeds)
    assert 0.93 <= held(of_a_difference, 0.0, [seeds, seeds], images, spread) <= most(seeds)


@pytest.mark.slow
@pytest.mark.parametrize(("candidates", "seeds", "spread"), simulation.EQUALS)
def test_where_there_is_no_difference_none_is_shown(candidates, seeds, spread):
    assert shown(candidates, seeds, spread) <= 0.05


def test_a_seed_is_no_difference_between_recipes():
    """With one seed each, chance alone makes trained models differ; three seeds tell that it was chance."""
    assert shown(2, 1, 0.02, simulations=200) > 0.5
    assert shown(2, 3, 0.02, simulations=200) <= 0.05


@pytest.mark.parametrize(("seeds", "spread", "better"), [(1, 0.0, 0.03), (5, 0.01, 0.04)])
def test_a_real_difference_is_found(seeds, spread, better):
    assert shown(2, seeds, spread, means=[MEAN + better, MEAN], simulations=200) > 0.9


def test_verdicts_name_the_better_one():
    rng = np.random.default_rng(0)
    low, high = simulated(rng, [1, 1], 100, spread=0.0, means=[0.8, 0.9])
    (pair,) = compare_pairs([low, high], higher_is_better=True)
    assert (pair.verdict, pair.wins + pair.ties + pair.losses) == ("b is better", 100)
    assert pair.difference == pytest.approx(low.mean() - high.mean())
    assert pair.wins < pair.losses
    (other,) = compare_pairs([low, high], higher_is_better=False)
    assert (other.verdict, other.wins, other.losses) == ("a is better", pair.losses, pair.wins)
    assert (other.low, other.high) == (pair.low, pair.high)


def test_one_seed_is_as_scipy_has_it():
    rng = np.random.default_rng(3)
    a, b = simulated(rng, [1, 1], 400, spread=0.0, means=[0.86, 0.85])
    (pair,) = compare_pairs([a, b], higher_is_better=True)
    assert pair.p_wilcoxon == pair.p == stats.wilcoxon(a[0], b[0]).pvalue
    assert pair.p_seeds is None
    theirs = stats.bootstrap(
        ((a - b)[0],), np.mean, n_resamples=20_000, method="percentile", rng=1
    ).confidence_interval
    assert (pair.low, pair.high) == pytest.approx(
        (theirs.low, theirs.high), abs=0.03 * (theirs.high - theirs.low)
    )


def test_where_seeds_are_all_that_differs_it_is_a_t_interval():
    """Every image scores the same: what is left is a mean of three numbers (scipy's t interval of them)."""
    seeds = np.array([0.80, 0.82, 0.84])
    (interval,) = intervals([np.repeat(seeds[:, None], 50, axis=1)])
    theirs = stats.t.interval(0.95, 2, loc=seeds.mean(), scale=stats.sem(seeds))
    assert (interval.low, interval.high) == pytest.approx(theirs)
    (pair,) = compare_pairs(
        [np.repeat(seeds[:, None], 50, axis=1), np.full((1, 50), 0.82)], higher_is_better=True
    )
    assert pair.p_seeds == pytest.approx(1.0)


def test_p_takes_the_spread_over_seeds_in():
    a = np.repeat(np.array([[0.80], [0.90]]), 60, axis=1) + np.random.default_rng(0).normal(0, 0.01, (2, 60))
    b = np.full((2, 60), 0.82)
    (pair,) = compare_pairs([a, b], higher_is_better=True)
    assert pair.p_wilcoxon < 1e-6  # all images agree
    assert pair.p == pair.p_seeds > 0.3  # and both rest on one lucky seed
    assert pair.verdict == "no difference shown"


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [(2, 2), (2, 1), (3, 3), (5, 2)])
@pytest.mark.parametrize("spread", [0.0, 0.005, 0.03])
def test_p_and_interval_of_several_seeds_tell_the_same(seeds, spread):
    """Also where the seeds lie nearer to each other than the noise of the images lets expect."""
    rng = np.random.default_rng(5)
    for _ in range(100):
        scores = simulated(rng, seeds, 60, spread=spread, means=[MEAN, MEAN + rng.normal(0, 0.02)])
        (pair,) = compare_pairs(scores, higher_is_better=True)
        assert (pair.p < 0.05) == (pair.low > 0 or pair.high < 0)
        (strict,) = compare_pairs(scores, higher_is_better=True, alpha=pair.p)
        nearest = min(abs(strict.low), abs(strict.high))
        assert nearest == pytest.approx(0, abs=1e-6 * (strict.high - strict.low))


def test_undefined_scores_are_left_out_of_what_they_enter():
    nan, a = math.nan, np.array([[0.5, 0.6, 0.7, 0.8]])
    holes = np.array([[0.4, nan, 0.7, math.inf]])
    assert intervals([a, holes])[0] == intervals([a])[0]
    assert intervals([holes])[0].mean == pytest.approx(0.55)
    (pair,) = compare_pairs([a, holes], higher_is_better=True)
    assert (pair.wins, pair.ties, pair.losses) == (1, 1, 0)
    assert pair.difference == pytest.approx(0.05)


def test_identical_scores_are_no_difference():
    scores = np.array([[0.5, 0.6, 0.7]])
    (pair,) = compare_pairs([scores, scores.copy()], higher_is_better=True)
    assert (pair.difference, pair.low, pair.high, pair.p, pair.ties) == (0, 0, 0, 1, 3)
    assert pair.verdict == "no difference shown"


@pytest.mark.parametrize("count", [0, 1])
def test_less_than_two_images_tell_nothing(count):
    scores = np.full((1, count), 0.5)
    (interval,) = intervals([scores])
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)
    (pair,) = compare_pairs([scores, scores + 0.1], higher_is_better=True)
    assert pair.verdict == "no difference shown"
    assert math.isnan(pair.low)


def test_an_interval_is_the_same_whoever_stands_beside_it_and_whenever_it_is_asked_for():
    scores = simulated(np.random.default_rng(0), [1, 2, 3], 50, spread=0.01)
    forward, backward = intervals(scores), intervals(scores[::-1])
    assert forward == backward[::-1] == intervals(scores)
    assert compare_pairs(scores, higher_is_better=True)[0] == compare_pairs(scores, higher_is_better=True)[0]


@pytest.mark.parametrize(("seeds", "groups", "difference"), [(1, 20, False), (1, 60, True), (5, 60, True)])
def test_where_images_are_in_groups_intervals_that_know_them_cover_the_truth(seeds, groups, difference):
    held = partial(simulation.held_groups, seeds, groups, difference=difference)
    assert 0.93 <= held(known=True, simulations=300) <= 0.97
    if seeds == 1:
        assert held(known=False, simulations=40) < 0.85


def test_groups_of_one_image_each_have_the_interval_of_images():
    scores = simulated(np.random.default_rng(3), [1, 1], 30, spread=0)
    alone = [str(image) for image in range(30)]
    first, expected = (means(scores, **known)[0].interval for known in ({"groups": alone}, {}))
    assert (first.mean, first.low) == pytest.approx((expected.mean, expected.low))
    (pair,) = compare_pairs(scores, higher_is_better=True, groups=alone)
    assert pair.p == pytest.approx(stats.ttest_rel(scores[0][0], scores[1][0]).pvalue)
    assert pair.p_wilcoxon == pytest.approx(stats.wilcoxon(scores[0][0], scores[1][0]).pvalue)
    scores = simulated(np.random.default_rng(3), [3, 2], 30, spread=0.1)
    (pair,), (expected,) = (
        compare_pairs(scores, higher_is_better=True, **known) for known in ({"groups": alone}, {})
    )
    assert (pair.low, pair.p) == pytest.approx((expected.low, expected.p))


def test_one_group_tells_nothing():
    scores = np.array([[0.5, 0.6, 0.7]])
    (interval,) = intervals([scores], groups=["a"] * 3)
    assert interval.mean == pytest.approx(0.6)
    assert math.isnan(interval.low)
    (pair,) = compare_pairs([scores, scores + 0.1], higher_is_better=True, groups=["a"] * 3)
    assert (pair.p, pair.verdict) == (1.0, "no difference shown")


def test_groups_follow_the_images_whose_scores_are_defined():
    scores = np.array([[0.5, 0.6, math.nan, 0.9, 0.7, 0.8]])
    kept = scores[:, [0, 1, 3, 4, 5]]
    assert intervals([scores], groups=[*"aabcca"]) == intervals([kept], groups=[*"aacca"])


@pytest.mark.parametrize(
    ("ps", "adjusted"),
    [
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),  # 3 x 0.01, then 2 x 0.03, which 1 x 0.04 may not undercut
        ([0.005, 0.011, 0.02, 0.04, 0.13], [0.025, 0.044, 0.06, 0.08, 0.13]),
        ([0.6, 0.7], [1.0, 1.0]),
        ([0.2], [0.2]),
        ([], []),
    ],
)
def test_holm(ps, adjusted):
    assert holm(ps) == pytest.approx(adjusted)
    assert holm(ps[::-1]) == pytest.approx(adjusted[::-1])


def test_one_image_of_several_seeds_tells_nothing():
    (interval,) = intervals([np.array([[0.5], [0.6], [0.7]])])
    assert interval.mean == pytest.approx(0.6)
    assert math.isnan(interval.low)
    (pair,) = compare_pairs([np.array([[0.5], [0.6]]), np.array([[0.4]])], higher_is_better=True)
    assert (pair.p, pair.verdict) == (1.0, "no difference shown")


def test_several_seeds_without_any_score_tell_nothing():
    nothing = np.full((2, 5), math.nan)
    assert all(math.isnan(value) for value in vars(intervals([nothing])[0]).values())
    (pair,) = compare_pairs([nothing, np.full((2, 5), 0.5)], higher_is_better=True)
    assert (pair.p, pair.wins + pair.ties + pair.losses) == (1.0, 0)


def test_the_same_scores_in_another_order_or_number_of_seeds_are_ties():
    """Their means differ by rounding: 0.1 three times is not 0.1 twice."""
    scores = np.random.default_rng(0).random((3, 40))
    (pair,) = compare_pairs([scores, scores[[2, 0, 1]]], higher_is_better=True)
    assert (pair.ties, pair.p_wilcoxon) == (40, 1.0)
    (pair,) = compare_pairs([np.full((3, 20), 0.1), np.full((2, 20), 0.1)], higher_is_better=True)
    assert (pair.ties, pair.verdict) == (20, "no difference shown")


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [(3, 3), (3, 5), (5, 3)])
def test_one_recipe_may_depend_on_its_seed_more_than_another(seeds):
    rng = np.random.default_rng(seeds)
    held = 0
    for _ in range(1000):
        hard = rng.beta(8, 1.5, 100)
        scores = [
            hard + rng.normal(0, spread, (count, 1)) + rng.normal(0, 0.05, (count, 100))
            for count, spread in zip(seeds, (0.05, 0.01), strict=True)
        ]
        (pair,) = compare_pairs(scores, higher_is_better=True, resamples=500)
        held += pair.low <= 0 <= pair.high
    assert 0.92 <= held / 1000 <= 0.98

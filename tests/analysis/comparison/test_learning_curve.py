"""Comparisons over data.fraction: the power law, its interval, and what twice the images would bring."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segkit.analysis.comparison.candidates import read_finished
from segkit.analysis.comparison.compare import compare_runs
from segkit.analysis.comparison.findings import analyse
from segkit.analysis.comparison.learning_curve import (
    LearningCurve,
    learning_curve_sentence,
    learning_curve_table,
)
from segkit.analysis.comparison.markdown import write_markdown
from segkit.analysis.comparison.page import write_page
from segkit.analysis.comparison.page.charts import learning_curve_plot
from segkit.analysis.comparison.power_law import fit_power_law
from segkit.analysis.comparison.result import Interval
from segkit.runs.run_dir import write_json
from tests.analysis.comparison.browser import FOUND, Browser
from tests.analysis.comparison.runs import DIRECTIONS, scored_run

SPEC = importlib.util.spec_from_file_location(
    "simulation", Path(__file__).parents[2] / "pages" / "intervals.py"
)
simulation = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(simulation)
NUMBERS = [90, 225, 450, 900]


def tables(law, numbers=NUMBERS, seeds=1, spread=0.0, noise=0.0, images=50):
    rng = np.random.default_rng(0)
    a, b, c = law
    hard = rng.normal(0, 0.05, images)
    hard -= hard.mean()
    return [
        a - b * n**-c + hard + rng.normal(0, spread, (seeds, 1)) + rng.normal(0, noise, (seeds, images))
        for n in numbers
    ]


def compared(folder, scores, numbers=NUMBERS, **data):
    """Runs of one recipe on that many training images, with these scores (seeds, images)."""
    runs = []
    for n, table in zip(numbers, scores, strict=True):
        for seed, row in enumerate(table):
            fraction = {"fraction": n / 900, "range": [0, n]} | (data if n == numbers[0] else {})
            run = scored_run(folder, f"of {n}", {"iou": row.tolist()}, seed=seed, data=fraction)
            recipe = run.read_recipe()
            write_json(
                run.summary, json.loads(run.summary.read_text()) | {"images": {"train": n, "test": 50}}
            )
            assert recipe["data"]["fraction"] == n / 900
            runs.append(read_finished(run))
    return compare_runs(runs, DIRECTIONS)


@pytest.mark.parametrize("law", [(0.9, 1.2, 0.5), (0.88, 8.0, 1.0), (0.7, -0.5, 0.4)])
def test_planted_law_is_found(law):
    fit = fit_power_law(NUMBERS, tables(law, noise=1e-6))
    assert fit.law == pytest.approx(law, rel=0.15)
    gain = law[1] * (900 ** -law[2] - 1800 ** -law[2])
    assert fit.gain(2, 0.05).mean == pytest.approx(gain, rel=0.03)
    for n, table in zip(NUMBERS, tables(law), strict=True):
        assert fit.score(n, 0.05).mean == pytest.approx(table.mean(), abs=2e-4)
        assert fit.score(n, 0.05).low < table.mean() < fit.score(n, 0.05).high


def test_more_seeds_and_more_numbers_of_images_tell_more():
    def width(seeds, numbers):
        gain = fit_power_law(numbers, tables((0.9, 1.2, 0.5), numbers, seeds, 0.006, 0.05)).gain(2, 0.05)
        return gain.high - gain.low

    assert width(5, NUMBERS) < width(2, NUMBERS)
    assert width(2, [45, 90, 180, 360, 630, 900]) < width(2, NUMBERS)


@pytest.mark.parametrize("seeds", [1, 3])
def test_images_of_one_group_count_once(seeds):
    """Three copies of each image tell as much as one, if they are known to be copies."""
    scores = tables((0.9, 1.2, 0.5), seeds=seeds, spread=0.003, noise=0.05)
    copies = [np.repeat(table, 3, axis=1) for table in scores]
    groups = [str(image) for image in range(50) for _ in range(3)]
    once, known = fit_power_law(NUMBERS, scores), fit_power_law(NUMBERS, copies, groups)
    assert known.covariance == pytest.approx(once.covariance)
    assert known.gain(2, 0.05).low == pytest.approx(once.gain(2, 0.05).low)
    unknown = fit_power_law(NUMBERS, copies)
    assert unknown.score(900, 0.05).low > known.score(900, 0.05).low
    assert fit_power_law(NUMBERS, copies, ["all"] * 150) is None


def test_undefined_scores_are_left_out_and_equal_ones_are_no_error():
    scores = tables((0.9, 1.2, 0.5), noise=0.01)
    scores[1][0, 3] = np.nan
    others = [np.delete(table, 3, axis=1) for table in scores]
    assert fit_power_law(NUMBERS, scores).law == fit_power_law(NUMBERS, others).law
    flat = fit_power_law(NUMBERS, [np.full((1, 5), 0.5)] * 4).gain(2, 0.05)
    assert (flat.low, flat.mean, flat.high) == pytest.approx((0, 0, 0), abs=1e-5)


@pytest.mark.parametrize(
    "layout", [2, 4, *(pytest.param(n, marks=pytest.mark.slow) for n in (0, 5, 6, 7, 8, 9, 10))]
)
def test_interval_of_twice_the_images_covers_the_truth(layout):
    """Rows of the table in compare.md, in fewer simulations."""
    share, _ = simulation.held_gain(*simulation.CURVES[layout], simulations=100)
    assert share >= 0.9


def test_curve_is_in_every_file_and_says_what_twice_the_images_bring(tmp_path):
    comparison = compared(tmp_path, tables((0.9, 1.2, 0.5), seeds=2, spread=0.001, noise=0.01))
    curve = comparison.learning_curve
    assert curve.images == [900, 450, 225, 90]
    sentence = learning_curve_sentence(comparison)
    assert sentence.startswith("Learning curve over 90 to 900 training images: IoU = 0.")
    assert " / n^0." in sentence
    assert ". If it goes on like this, 1,800 images, twice as many, would bring +0.01" in sentence
    assert sentence.endswith("] (95% interval).")
    assert sentence == analyse(comparison)[1]
    table = learning_curve_table(comparison)
    assert [row[0] for row in table.rows] == ["90", "225", "450", "900"]
    document = json.loads(json.dumps(comparison.as_json()))["learning_curve"]
    assert document["twice"]["images"] == 1800
    assert document["twice"]["low"] < 1.2 * (1 / 30 - 1 / 1800**0.5) < document["twice"]["high"]
    assert document["law"].keys() == {"a", "b", "c"}
    text = write_markdown(comparison, tmp_path / "comparison.md").read_text()
    assert "## Score by training images" in text
    assert text.replace("\\", "").count(sentence) == 2
    page = write_page(comparison, tmp_path / "comparison.html").read_text()
    assert 'id="learning-curve-chart"' in page
    line = learning_curve_plot(comparison)["line"]
    assert (line[0][0], line[-1][0]) == (90, 1800)
    assert all(low <= score <= high <= 1 for _, low, score, high in line)


def test_a_curve_whose_limit_is_no_possible_score_stays_below_1(tmp_path):
    comparison = compared(tmp_path, tables((1.3, 3, 0.3), images=20, spread=0.02, seeds=2))
    curve = comparison.learning_curve
    assert curve.law[0] > 1
    assert ", whose limit is no possible score. If it goes on" in learning_curve_sentence(comparison)
    now = max(entry.metrics["iou"].mean for entry in comparison.ranking)
    assert now < 0.95
    assert curve.gain.high == pytest.approx(1 - now, abs=0.002)
    assert all(score <= 1 for _, _, score, _ in learning_curve_plot(comparison)["line"])


def test_what_cannot_be_told_is_not_told(tmp_path):
    two = compared(tmp_path / "two", tables((0.9, 1.2, 0.5), NUMBERS[2:], noise=0.01), NUMBERS[2:])
    assert learning_curve_sentence(two) == (
        "What 1,800 training images, twice as many, would bring cannot be told from 2 runs with 2 numbers of "
        "training images: that takes at least three fractions, a fourth one or several seeds, "
        "and two scored images."
    )
    assert two.learning_curve.as_json() == {"images": [900, 450], "law": None, "twice": None}

    def sentence(gain, spread, exponent=0.5):
        curve = LearningCurve(NUMBERS, (0.9, -1.0, exponent), gain, spread=spread)
        return learning_curve_sentence(replace(two, learning_curve=curve))

    assert sentence(Interval(0.02, -0.1, 0.3), 0.2) == (
        "What 1,800 training images, twice as many, would bring cannot be told from so few points: IoU "
        "+0.0200 [\N{MINUS SIGN}0.1000, +0.3000] (95% interval). More fractions or several seeds narrow it."
    )
    assert sentence(Interval(0.001, -0.01, 0.01), 0.2) == (
        "Learning curve over 90 to 900 training images: IoU = 0.9 + 1 / n^0.5. If it goes on like this, "
        "1,800 images, twice as many, would bring +0.0010 [\N{MINUS SIGN}0.0100, +0.0100] (95% interval); "
        "it contains zero."
    )
    assert sentence(Interval(0.02, 0.01, 0.03), 0.2, 0.01).startswith(
        "Learning curve over 90 to 900 training images: IoU changes by nearly the same with every "
        "doubling, and no limit can be told. If it goes on"
    )


def test_only_recipes_that_differ_in_nothing_else_have_a_curve(tmp_path):
    scores = tables((0.9, 1.2, 0.5), noise=0.01)
    assert compared(tmp_path / "a", scores, augment=[{"name": "HorizontalFlip"}]).learning_curve is None
    comparison = compared(tmp_path / "b", scores[:2], NUMBERS[:2])
    assert comparison.learning_curve
    without = replace(comparison, learning_curve=None)
    assert learning_curve_sentence(without) == ""
    assert "learning_curve" not in without.as_json()


@pytest.mark.slow
@pytest.mark.posix("the browser is driven through inherited descriptors")
@pytest.mark.skipif(FOUND is None, reason="no chromium to look at the page with")
def test_curve_is_drawn(tmp_path):
    comparison = compared(tmp_path, tables((0.9, 1.2, 0.5), seeds=2, spread=0.001, noise=0.01))
    browser = Browser()
    try:
        page = browser.open(write_page(comparison, tmp_path / "comparison.html"))
        drawn = page.run(
            "plots['learning-curve-chart'].chart.data.datasets.map((d) => d.data.map((p) => [p.x, p.y]))"
        )
        assert page.complaints == []
    finally:
        browser.close()
    assert [x for x, _ in drawn[0]] == [90, 225, 450, 900]
    assert [x for x, _ in drawn[1]][:: len(drawn[1]) - 1] == [90, 1800]
    assert len(drawn) == 4 + 4  # points, line, two edges of the band, a whisker for each point

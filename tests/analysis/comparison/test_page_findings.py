"""What the page draws and lists, as its template and its scripts are given it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from segkit.analysis.comparison.page.charts import curves, scores
from segkit.analysis.comparison.page.colors import CONTRAST, _contrast, colors, dashes
from segkit.analysis.comparison.page.costs import cost_plots, pareto_front
from segkit.analysis.comparison.page.ranking import interval_scale, pair_rows, ranking_columns, ranking_rows
from segkit.analysis.comparison.result import Interval
from segkit.analysis.report.format import NOTHING
from segkit.analysis.report.style import DARK, LIGHT
from tests.analysis.comparison.cases import EPOCHS, Made, made_up


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    return made_up(tmp_path_factory.mktemp("runs"), Made(images=10))


@pytest.mark.parametrize(
    ("costs", "front"),
    [
        ([1, 2, 3, 4], [0, 1, 3]),
        ([4, 3, 2, 1], [3]),
        ([2, 2, 2, 2], [3]),
        ([None, 1, 2, None], [1]),
    ],
)
def test_pareto_front_has_who_nobody_beats(costs, front):
    quality = [0.5, 0.7, 0.6, 0.8]
    assert pareto_front(costs, quality, higher_is_better=True) == front
    assert pareto_front(costs, [-score for score in quality], higher_is_better=False) == front


def test_two_of_the_same_cost_and_score_are_both_on_the_front():
    assert pareto_front([1, 1, 2], [0.5, 0.5, 0.5], higher_is_better=True) == [0, 1]
    assert pareto_front([1, 2], [math.nan, 0.5], higher_is_better=True) == [1]


def test_cost_axes_are_logarithmic_where_costs_lie_far_apart(comparison):
    plots = {plot["label"]: plot for plot in cost_plots(comparison)}
    assert list(plots)[::2] == ["Parameters", "MACs", "Training time", "File size"]
    assert plots["Parameters"]["log"]
    assert not plots["Peak memory"]["log"]
    assert plots["Parameters"]["texts"][0] == "31.0 M"
    assert plots["Peak memory"]["texts"].count(NOTHING) == 1


def test_costs_of_a_single_scored_recipe_are_not_drawn(comparison):
    undefined = {"iou": Interval(math.nan, math.nan, math.nan)}
    others = [replace(place, metrics=undefined) for place in comparison.ranking[1:]]
    assert cost_plots(replace(comparison, ranking=[comparison.ranking[0], *others])) == []


def test_ranking_says_who_shares_a_rank_and_draws_intervals_on_one_scale(comparison):
    rows = ranking_rows(comparison)
    assert [(row.rank, row.shares, row.follows) for row in rows] == [
        (1, True, False),
        (1, True, True),
        (2, False, False),
        (3, False, False),
    ]
    low, high = interval_scale(comparison)
    for row, place in zip(rows, comparison.ranking, strict=True):
        ends = [low + percent / 100 * (high - low) for percent in row.whisker]
        interval = place.metrics["iou"]
        assert ends == pytest.approx([interval.low, interval.mean, interval.high], abs=1e-3)


def test_a_score_without_interval_is_drawn_without_whisker(comparison):
    alone = [
        replace(place, metrics={"iou": Interval(place.metrics["iou"].mean, math.nan, math.nan)})
        for place in comparison.ranking
    ]
    rows = ranking_rows(replace(comparison, ranking=alone))
    assert [row.whisker[0] for row in rows] == [None] * 4
    assert all(0 <= row.whisker[1] <= 100 for row in rows)


def test_columns_of_what_nobody_measured_are_hidden_at_first(tmp_path):
    comparison = made_up(tmp_path, Made(images=2, costs=False))
    shown = [column.label for column in ranking_columns(comparison) if column.shown]
    assert shown == ["Rank", "Recipe", "IoU", "Dice", "Parameters", "Seeds"]


def test_first_click_sorts_the_best_to_the_top(comparison):
    first = {column.key: column.first for column in ranking_columns(comparison)}
    assert (first["metric iou"], first["cost parameters"]) == ("descending", "ascending")
    assert first["cost predict_images_per_second"] == "descending"
    distance = replace(comparison, higher_is_better=False)
    assert {column.key: column.first for column in ranking_columns(distance)}["metric iou"] == "ascending"


def test_pairs_are_told_with_names(comparison):
    rows = pair_rows(comparison)
    assert [row["positions"] for row in rows] == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    assert rows[0]["verdict"] == "no significant difference"
    assert rows[1]["verdict"] == f"{comparison.candidates[0].name} is better"
    assert rows[1]["p_adjusted"] == "0.001"


def test_curves_are_means_over_seeds_beside_every_seed(comparison):
    iou, dice, *losses = curves(comparison)
    labels = ["IoU", "Dice", "Training loss", "Validation loss"]
    assert [curve["label"] for curve in (iou, dice, *losses)] == labels
    position = comparison.candidates.index(next(e for e in comparison.candidates if len(e.seeds) == 3))
    line = iou["lines"][position]
    assert len(line["seeds"]) == 3
    assert line["mean"][4][1] == pytest.approx(np.mean([seed[4][1] for seed in line["seeds"]]), abs=1e-5)
    assert [len(other["seeds"]) for other in iou["lines"]].count(0) == 3
    told = [(line["source"], len(line["points"])) for line in iou["published"]]
    assert told == [("published experiment 1", EPOCHS)]
    assert dice["published"] == []


def test_candidates_that_refer_to_the_same_numbers_share_a_line(comparison):
    published = next(e.published for e in comparison.candidates if e.published)
    ranking = [replace(p, candidate=replace(p.candidate, published=published)) for p in comparison.ranking]
    assert len(curves(replace(comparison, ranking=ranking))[0]["published"]) == 1


def test_undefined_scores_are_nothing(comparison):
    place = comparison.ranking[0]
    iou = place.candidate.scores["iou"].copy()
    iou[:, 3] = math.nan
    candidate = replace(place.candidate, scores={"iou": iou})
    undefined = replace(comparison, ranking=[replace(place, candidate=candidate), *comparison.ranking[1:]])
    assert [row[3] is None for row in scores(undefined)] == [True, False, False, False]


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_lines_stand_out_from_the_page(theme):
    ground = tuple(bytes.fromhex(theme.ground[1:]))
    drawn = colors(21, theme)
    assert all(_contrast(tuple(bytes.fromhex(color[1:])), ground) >= CONTRAST for color in drawn)
    assert len({(color, tuple(dash)) for color, dash in zip(drawn, dashes(21), strict=True)}) == 21

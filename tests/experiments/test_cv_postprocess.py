"""The choice of the post-processing on the out-of-fold predictions of several folds and seeds."""

from __future__ import annotations

import numpy as np

from segkit.experiments.choose_postprocess import Trials
from segkit.experiments.cv_postprocess import choose_out_of_fold
from segkit.experiments.fold_scores import FoldScores
from tests.experiments.test_choose_postprocess import SMALL, images
from tests.small_runs import recipe


def fold(names: list[str], trials: list, groups: list[str] | None = None) -> FoldScores:
    return FoldScores(names, groups, {}, np.empty(0), np.empty(0), {}, [], [], trials)


def test_predictions_of_an_image_by_several_seeds_count_once(tmp_path):
    given = recipe(tmp_path, SMALL)
    trials = Trials(given)
    rows = [[table.numpy() for table in trials.rows(image)] for image in images("islands", 12)]
    names = [f"{number:02}" for number in range(12)]
    twelve = choose_out_of_fold(given, [fold(names[:7], rows[:7]), fold(names[7:], rows[7:])])
    assert (twelve.images, twelve.groups, twelve.split) == (12, None, "out-of-fold")
    assert twelve.settings is not None
    assert choose_out_of_fold(given, [fold(names[7:], rows[7:]), fold(names[:7], rows[:7])]) == twelve
    six = choose_out_of_fold(given, [fold(names[:6], rows[:6]), fold(names[:6], rows[6:])])  # two seeds
    assert (six.images, six.groups, six.settings, six.choices[0].low) == (6, None, None, None)
    patients = [f"patient {number // 2}" for number in range(12)]
    grouped = choose_out_of_fold(given, [fold(names, rows, patients)])
    assert (grouped.images, grouped.groups, grouped.settings) == (12, 6, None)

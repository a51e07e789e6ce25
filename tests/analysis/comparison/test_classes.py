"""Recipes are compared class by class."""

import numpy as np
import pytest
from scipy import stats

from segkit.analysis.comparison.candidates import read_finished
from segkit.analysis.comparison.classes import class_table
from segkit.analysis.comparison.compare import compare_runs
from segkit.analysis.comparison.markdown import write_markdown
from segkit.analysis.comparison.page import write_page
from segkit.cli import console
from segkit.core.class_scores import PixelCounts
from segkit.core.types import Task
from segkit.runs.run_dir import write_json
from tests.analysis.comparison.runs import DIRECTIONS, scored_run

CLASSES = ("ground", "house", "well")
TASK = Task("multiclass", CLASSES)
NAMES = [f"image_{i:03}" for i in range(30)]


def class_run(folder, name, shift, seed=0, metrics=("iou",)):
    """A run whose houses overlap `shift` pixels more; wells are in every third image, and never found."""
    random = np.random.default_rng([seed, shift])
    house = 100 + np.arange(30)
    both = np.stack([np.full(30, 900), 40 + shift + random.integers(0, 9, 30), np.zeros(30, int)], 1)
    truth = np.stack([np.full(30, 950), house, np.where(np.arange(30) % 3, 0, 9)], 1)
    predicted = np.stack([np.full(30, 940), house, np.zeros(30, int)], 1)
    counts = PixelCounts(TASK, np.stack([both, predicted, truth], 2), np.zeros((3, 3), int))
    iou = np.nanmean(counts.iou_by_image(), axis=0)
    run = scored_run(
        folder, name, {metric: iou.tolist() for metric in metrics}, seed=seed, images=NAMES,
        data={"task": "multiclass", "classes": [*CLASSES]},
        reported={"miou": 0.4} if "miou" in metrics else None,
    )  # fmt: skip
    run.write_class_scores(NAMES, counts)
    write_json(run.summary, run.read_summary().model_copy(update={"classes": [*CLASSES]}))
    return run, counts.iou_by_image()


def compared(*runs, **options):
    return compare_runs([read_finished(run) for run in runs], DIRECTIONS | {"miou": True}, **options)


def test_classes_have_means_and_paired_differences_with_t_intervals(tmp_path, capsys):
    (low, first), (high, second) = (
        class_run(tmp_path, name, shift) for name, shift in (("low", 0), ("high", 20))
    )
    comparison = compared(low, high)
    document = comparison.as_json()
    (pair,) = document["pairs"]
    assert (pair["a"], pair["b"]) == ("high", "low")
    difference = second[1] - first[1]
    expected = stats.t.interval(0.95, 29, difference.mean(), stats.sem(difference))
    house = pair["per_class"]["iou"]["house"]
    assert (house["low"], house["high"]) == pytest.approx(expected)
    assert house["difference"] == pytest.approx(difference.mean())
    assert pair["per_class"]["iou"]["well"] == {"difference": 0, "low": 0, "high": 0, "images": 10}
    best = document["ranking"][0]["per_class"]["iou"]
    assert best["house"]["mean"] == pytest.approx(second[1].mean())
    assert best["well"] == {"mean": 0, "low": 0, "high": 0, "images": 10}

    table = class_table(comparison)
    assert table.columns == ["Class", "high", "low", "high \N{MINUS SIGN} low", "Images"]
    assert [(row[0], row[-1]) for row in table.rows] == [("ground", "30"), ("house", "30"), ("well", "10")]
    assert table.rows[1][3].startswith("+0.")
    page = write_page(comparison, tmp_path / "page.html").read_text(encoding="utf-8")
    assert '<a href="#classes">Classes</a>' in page
    assert "| well | 0.0000 " in write_markdown(comparison, tmp_path / "page.md").read_text(encoding="utf-8")
    console.print_comparison(comparison, [])
    (row,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("house"))
    assert row.split()[3].startswith("+0.")


def test_several_seeds_count_in_the_intervals_of_the_classes(tmp_path):
    runs = [
        class_run(tmp_path, name, shift, seed)[0]
        for name, shift in (("a", 0), ("b", 20))
        for seed in (0, 1, 2)
    ]
    alone, several = (compared(*chosen).as_json()["pairs"][0] for chosen in (runs[::3], runs))
    widths = [pair["per_class"]["iou"]["house"] for pair in (alone, several)]
    assert widths[0]["high"] - widths[0]["low"] != pytest.approx(widths[1]["high"] - widths[1]["low"])
    assert widths[1]["images"] == 30


def test_runs_without_scores_of_classes_are_compared_without_them(tmp_path):
    (new, _), (old, _) = (class_run(tmp_path, name, shift) for name, shift in (("new", 0), ("old", 9)))
    old.class_scores.unlink()
    comparison = compared(new, old)
    assert class_table(comparison) is None
    assert "per_class" not in comparison.as_json()["ranking"][0]


def test_a_score_of_all_images_in_the_first_place_does_not_rank(tmp_path):
    runs = [
        class_run(tmp_path, name, shift, metrics=("miou", "iou"))[0] for name, shift in (("a", 0), ("b", 9))
    ]
    assert compared(*runs).metric == "iou"


def test_a_metric_with_a_name_of_its_own_ranks_in_the_direction_of_the_metric(tmp_path):
    runs = [
        scored_run(tmp_path, name, {"far": [value] * 8}, metrics=[{"name": "hd95", "as": "far"}])
        for name, value in (("near", 1.0), ("away", 9.0))
    ]
    comparison = compared(*runs, metric="far")
    assert not comparison.higher_is_better
    assert comparison.candidates[0].name == "near"

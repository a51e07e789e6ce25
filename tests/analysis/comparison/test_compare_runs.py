"""Finished runs become a comparison."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest

from segkit.analysis.comparison.candidates import read_finished
from segkit.analysis.comparison.compare import compare_runs
from segkit.analysis.comparison.epochs import epoch_table
from segkit.analysis.comparison.page.charts import curves
from segkit.analysis.comparison.tables import recipe_table
from segkit.analysis.comparison.write import folder_for, write_comparison
from segkit.core.errors import SegkitError
from segkit.runs.run_dir import write_json
from segkit.runs.schema import MeasuredCosts
from segkit.utils.result_folder import make_folder
from tests.analysis.comparison.runs import DIRECTIONS, scored_run


def scores(mean, count=60, seed=0):
    """Of the same images, a little better or worse; every image has its own difficulty."""
    hard = np.random.default_rng(100).normal(0, 0.1, count)
    return (mean + hard + np.random.default_rng(seed).normal(0, 0.02, count)).clip(0, 1).tolist()


def compared(*runs, **options):
    return compare_runs([read_finished(run) for run in runs], DIRECTIONS, **options)


def test_the_better_one_leads_and_equals_share_a_rank(tmp_path):
    bad = scored_run(tmp_path, "bad", {"iou": scores(0.60, seed=1)})
    good = scored_run(tmp_path, "good", {"iou": scores(0.70, seed=2)})
    same = scored_run(tmp_path, "same", {"iou": scores(0.699, seed=3)})
    comparison = compared(bad, good, same)
    assert [candidate.name for candidate in comparison.candidates] == ["good", "same", "bad"]
    assert [place.rank for place in comparison.ranking] == [1, 1, 3]
    assert [(pair.a, pair.b, pair.verdict) for pair in comparison.pairs] == [
        ("good", "same", "no difference shown"),
        ("good", "bad", "a is better"),
        ("same", "bad", "a is better"),
    ]
    interval = comparison.ranking[0].metrics["iou"]
    assert interval.low < interval.mean < interval.high
    assert interval.mean == pytest.approx(np.mean(scores(0.70, seed=2)))
    assert comparison.pairs[1].difference == pytest.approx(
        np.mean(scores(0.70, seed=2)) - np.mean(scores(0.60, seed=1))
    )


def test_lower_can_be_better(tmp_path):
    near = scored_run(tmp_path, "near", {"hd95": [5.0, 6.0, 7.0, 5.5] * 10})
    far = scored_run(tmp_path, "far", {"hd95": [9.0, 8.0, 9.5, 7.7] * 10})
    comparison = compared(far, near)
    assert [candidate.name for candidate in comparison.candidates] == ["near", "far"]
    assert comparison.pairs[0].verdict == "a is better"
    assert (comparison.pairs[0].wins, comparison.pairs[0].losses) == (40, 0)
    assert comparison.pairs[0].difference < 0


def test_intervals_of_two_images_lie_in_the_range_of_the_metric(tmp_path):
    table = {"iou": [0.02, 0.22], "hd95": [1.0, 9.0]}
    other = {"iou": [0.99, 0.98], "hd95": [5.0, 1.0]}
    comparison = compared(scored_run(tmp_path, "a", table), scored_run(tmp_path, "b", other))
    best, worst = comparison.ranking
    assert (best.metrics["iou"].high, worst.metrics["iou"].low) == (1, 0)
    assert 0 < best.metrics["iou"].low < 0.99
    assert worst.metrics["hd95"].low == 0
    assert worst.metrics["hd95"].high > 9
    (pair,) = comparison.pairs
    assert (pair.low, pair.high) == (pytest.approx(-0.098, abs=0.01), 1)


def test_another_metric_with_other_options_is_left_out(tmp_path):
    dice = {"name": "dice", "threshold": 0.9}
    table = {"iou": scores(0.7), "dice": scores(0.8)}
    first = scored_run(tmp_path, "a", table)
    other = scored_run(tmp_path, "b", table, metrics=[{"name": "iou"}, dice])
    comparison = compared(first, other)
    assert comparison.metrics == ["iou"]
    assert comparison.warnings == ["dice is left out: its options differ between the recipes."]
    assert [curve["label"] for curve in curves(comparison)] == ["IoU", "Training loss", "Validation loss"]
    assert not any("Dice" in title for title in epoch_table(comparison).columns)


def test_curves_name_their_images_and_losses_where_these_are_others(tmp_path):
    first, other = (scored_run(tmp_path, name, {"iou": scores(0.7)}) for name in "ab")
    for run in (first, other):
        scored = {"scored_on": "val", "validate_windows": 40 if run is first else None}
        write_json(run.summary, json.loads(run.summary.read_text()) | scored)
    other.write_recipe(other.recipe.read_text().replace("loss:\n- name: dice", "loss:\n- name: bce"))
    labels = [curve["label"] for curve in curves(compared(first, other))]
    assert labels == [
        "IoU on val images or 40 windows of val images",
        "Training loss (of different loss functions)",
        "Validation loss (of different loss functions)",
    ]


def test_seeds_of_an_experiment_are_one_candidate(tmp_path):
    runs = [scored_run(tmp_path, "a", {"iou": scores(0.7, seed=s)}, seed=s) for s in (1, 0)]
    other = scored_run(tmp_path, "b", {"iou": scores(0.5)})
    comparison = compared(*runs, other)
    leader = comparison.candidates[0]
    assert (leader.name, leader.seeds, len(leader.runs)) == ("a", (0, 1), 2)
    assert leader.scores["iou"].shape == (2, 60)
    assert leader.scores["iou"][1].tolist() == pytest.approx(scores(0.7, seed=1))
    assert comparison.pairs[0].p_seeds is not None


def test_the_same_experiment_and_seed_counts_once(tmp_path):
    first, second = (scored_run(tmp_path, "a", {"iou": scores(0.7)}) for _ in range(2))
    comparison = compared(first, second)
    assert comparison.candidates[0].runs[0].path == first.path
    assert comparison.warnings == [
        f"{second.path} is left out: {first.path} is the same experiment with the same seed."
    ]


def test_a_recipe_before_and_after_a_change_of_code_is_two_candidates(tmp_path):
    runs = [
        scored_run(
            tmp_path,
            "a",
            {"iou": scores(mean)},
            environment={"identity": {"recipe": "r", "seed": 0, "data": "", "code": code, "metrics": "m"}},
        )
        for mean, code in ((0.6, "old"), (0.7, "new"))
    ]
    assert [candidate.name for candidate in compared(*runs).candidates] == ["a (002)", "a (001)"]


def test_scores_of_all_images_together_have_no_interval(tmp_path):
    runs = [
        scored_run(
            tmp_path,
            name,
            {"iou": scores(mean), "iou_dataset": scores(mean)},
            reported={"iou_dataset": mean + 0.1},
        )
        for name, mean in (("a", 0.7), ("b", 0.5))
    ]
    comparison = compared(*runs)
    whole = comparison.ranking[0].metrics["iou_dataset"]
    assert whole.mean == pytest.approx(0.8)
    assert math.isnan(whole.low)
    assert math.isnan(whole.high)
    with pytest.raises(SegkitError) as raised:
        compared(*runs, metric="iou_dataset")
    assert str(raised.value) == (
        "iou_dataset is computed over all images together and cannot be compared image by image\n"
        "  try: the argument metric with a score per image, such as iou or dice"
    )


def test_undefined_scores_are_left_out_of_a_pair(tmp_path):
    a = scored_run(tmp_path, "a", {"iou": [math.nan, 0.9, 0.8, 0.7]})
    b = scored_run(tmp_path, "b", {"iou": [0.1, 0.8, math.nan, 0.6]})
    (pair,) = compared(a, b).pairs
    assert pair.difference == pytest.approx(0.1)
    assert pair.wins + pair.ties + pair.losses == 2


def test_images_are_matched_by_name(tmp_path):
    a = scored_run(tmp_path, "a", {"iou": [0.1, 0.5, 0.9]}, images=["x", "y", "z"])
    b = scored_run(tmp_path, "b", {"iou": [0.9, 0.5, 0.1]}, images=["z", "y", "x"])
    assert (compared(a, b).pairs[0].ties, compared(a, b).images) == (3, ["x", "y", "z"])


def test_a_metric_whose_direction_nobody_knows_is_refused(tmp_path):
    run = scored_run(tmp_path, "a", {"sharpness": [1.0, 2.0]})
    with pytest.raises(SegkitError) as raised:
        compared(run)
    assert str(raised.value) == (
        "unknown metric 'sharpness': the plugin that defines it is not loaded\n"
        "  try: the argument plugins with the path of the plugin, or the argument metric with a score per "
        "image, such as iou or dice"
    )


def test_one_candidate_has_an_interval_and_no_pairs(tmp_path):
    comparison = compared(scored_run(tmp_path, "a", {"iou": scores(0.7)}))
    assert comparison.pairs == []
    assert comparison.ranking[0].metrics["iou"].low > 0.6


def test_what_runs_warn_of_is_said_once_or_with_their_names(tmp_path):
    a = scored_run(tmp_path, "a", {"iou": scores(0.7)}, warnings=["All are optimistic.", "It diverged."])
    b = scored_run(tmp_path, "b", {"iou": scores(0.6)}, warnings=["All are optimistic."])
    assert compared(a, b).warnings == ["All are optimistic.", "a: It diverged."]


def test_where_the_recipes_differ_is_shown(tmp_path):
    a = scored_run(tmp_path, "a", {"iou": scores(0.7)}, data={"batch_size": 8})
    b = scored_run(tmp_path, "b", {"iou": scores(0.6)}, seed=1, data={"augment": []})
    table = recipe_table(compared(a, b))
    assert table.columns == ["Option", "a", "b"]
    assert table.rows == [
        ["data.augment.Rotate.name", "Rotate", "\u2013"],
        ["data.augment.Rotate.limit", "15", "\u2013"],
        ["data.augment.Rotate.p", "0.1", "\u2013"],
        ["data.augment.HorizontalFlip.name", "HorizontalFlip", "\u2013"],
        ["data.augment.HorizontalFlip.p", "0.5", "\u2013"],
        ["data.batch_size", "8", "\u2013"],
        ["data.augment", "\u2013", ""],
    ]
    assert recipe_table(compared(a)).rows == []


def test_what_the_decoders_were_given_is_a_difference(tmp_path):
    """Though both recipes say `features: auto`."""
    one, all_five = (scored_run(tmp_path, name, {"iou": scores(0.7)}) for name in "ab")
    for run in (one, all_five):
        run.write_recipe(run.recipe.read_text().replace("features: last", "features: auto"))
    summary = json.loads(all_five.summary.read_text())
    counts = {"parameters": 0, "trainable": 0}
    first = [
        {"part": "encoder", "name": f"stage {i} of 5", "shape": [16 * i, 128 >> i, 128 >> i], **counts}
        for i in range(1, 5)
    ]
    stages = [*first, *summary["stages"]]
    write_json(all_five.summary, summary | {"stages": stages, "precision": "bf16-mixed"})
    table = recipe_table(compared(one, all_five))
    assert [[cell.replace("\N{MULTIPLICATION SIGN}", "x") for cell in row] for row in table.rows] == [
        ["Encoder stages given to the decoder", "stage 5 of 5", "stage 1, 2, 3, 4, 5 of 5"],
        [
            "Input of the decoder (C x h x w)",
            "1280 x 4 x 4",
            "16 x 64 x 64, 32 x 32 x 32, 48 x 16 x 16, 64 x 8 x 8, 1280 x 4 x 4",
        ],
        ["Precision", "32-true", "bf16-mixed"],
    ]


def test_what_a_run_did_not_record_is_no_difference(tmp_path):
    stopped, ended = (scored_run(tmp_path, name, {"iou": scores(0.7)}) for name in "ab")
    summary = json.loads(stopped.summary.read_text())
    write_json(stopped.summary, summary | {"stages": [], "precision": ""})
    assert recipe_table(compared(stopped, ended)).rows == []


def test_how_costs_were_measured_is_said(tmp_path):
    run = scored_run(tmp_path, "a", {"iou": scores(0.7)})
    assert compared(run).costs_measured == ""
    machine = {"processor": "P", "device": "cpu, 2 threads", "torch": "2.11"}
    run.write_costs(MeasuredCosts(latency_ms=2.5, machine=machine))
    comparison = compared(run)
    assert comparison.candidates[0].costs.latency_ms == 2.5
    assert comparison.costs_measured == (
        "Costs were measured one model at a time, each in its own process, on P, cpu, 2 threads (torch 2.11)."
    )


def test_the_document_has_what_it_promises(tmp_path):
    runs = [
        scored_run(tmp_path, name, {"iou": scores(mean), "dice": scores(mean)})
        for name, mean in (("a", 0.7), ("b", 0.6))
    ]
    document = json.loads(json.dumps(compared(*runs).as_json()))
    assert (document["metric"], document["images"], document["alpha"]) == ("iou", 60, 0.05)
    first = document["ranking"][0]
    assert first["runs"] == [str(runs[0].path)]
    assert set(first["metrics"]["dice"]) == {"mean", "low", "high"}
    assert {
        "parameters", "trainable_parameters", "macs", "train_seconds", "train_images_per_second",
        "latency_ms", "predict_images_per_second", "peak_memory_bytes",
    } <= set(first["costs"])  # fmt: skip
    assert {
        "a",
        "b",
        "metric",
        "difference",
        "low",
        "high",
        "p",
        "p_adjusted",
        "wins",
        "ties",
        "losses",
        "verdict",
    } <= set(document["pairs"][0])


def test_another_comparison_of_the_same_names_goes_to_another_folder(tmp_path):
    first = compared(scored_run(tmp_path / "one", "a", {"iou": scores(0.7)}))
    other = compared(scored_run(tmp_path / "two", "a", {"iou": scores(0.6)}))
    place = tmp_path / "comparisons" / "a"
    assert folder_for(first, place) == place
    write_comparison(first, place)
    assert folder_for(first, place) == place
    assert folder_for(other, place) == place.with_name("a-2")


def test_no_folder_of_the_machine_is_in_the_files(tmp_path):
    names = [f"{tmp_path}/images/{i}" for i in range(60)]
    warnings = [f"{tmp_path}/plugins/a.py: it has changed."]
    runs = [
        scored_run(
            tmp_path / folder, "a", {"iou": scores(0.7)}, images=names, warnings=warnings, environment=other
        )
        for folder, other in (("one", {}), ("two", {"identity": None}), ("one", {}))
    ]
    comparison = compared(
        *runs, command=f"segkit compare {' '.join(str(run.path) for run in runs)} --out={tmp_path}"
    )
    assert [candidate.name for candidate in comparison.candidates] == [
        "one/isic_frozen/001", "two/isic_frozen/001",
    ]  # fmt: skip
    for file in write_comparison(comparison, tmp_path / "comparison"):
        assert str(tmp_path) not in file.read_text(), file
    document = json.loads(file.read_text())
    assert [entry["runs"] for entry in document["ranking"]] == [["isic_frozen/001"], ["isic_frozen/001"]]
    assert document["command"] == f"segkit compare 001 001 002 --out={tmp_path.name}"


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(SegkitError) as raised:
        make_folder(tmp_path / "file" / "out", "comparison")
    assert str(raised.value) == (
        f"{tmp_path / 'file' / 'out'}: cannot create the folder for the comparison: Not a directory\n"
        "  try: the argument out with another folder"
    )


def test_records_are_flat_rows(tmp_path):
    (row,) = compared(scored_run(tmp_path, "a", {"iou": [0.5, 0.6]})).records()
    assert (row["rank"], row["name"], row["seeds"], row["iou"]) == (1, "a", 1, pytest.approx(0.55))
    assert {"iou_low", "iou_high", "parameters", "latency_ms"} <= set(row)


@pytest.mark.slow
def test_twenty_runs_compare_without_torch(tmp_path):
    for number in range(20):
        scored_run(tmp_path / "runs", f"r{number}", {"iou": scores(0.6 + number / 200, 379, number)})
    targets = [str(path) for path in sorted((tmp_path / "runs").iterdir())]
    code = (
        "import sys\n"
        f"sys.argv[1:] = {['compare', *targets, '--json', '--out', 'out']!r}\n"
        "from segkit.cli import main\n"
        "main()\n"
        "slow = {'torch', 'torchvision', 'timm', 'matplotlib', 'albumentations', 'cv2'} & set(sys.modules)\n"
        "assert not slow, slow\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (len(document["ranking"]), len(document["pairs"])) == (20, 190)
    assert document["ranking"][0]["name"] == "r19"

"""Which scores of the run stand beside those of an evaluation: only those of the same quantity."""

from __future__ import annotations

from pathlib import Path

import pytest

from segkit.data.fit import Fit
from segkit.inference.evaluation.evaluate_runs import evaluate_runs
from segkit.inference.evaluation.evaluation import EvaluateOptions, Evaluation
from segkit.inference.evaluation.reported import size_text
from segkit.inference.evaluation.split_choice import SplitChoice
from segkit.inference.evaluation.write import write_evaluation
from segkit.inference.options import PredictOptions
from segkit.runs.run_dir import RunDir


def evaluated(run: RunDir, *overrides: str, **options: object) -> Evaluation:
    return evaluate_runs([run], EvaluateOptions(**options), overrides)  # type: ignore[arg-type]


def test_as_trained_every_score_of_the_run_is_comparable(run: RunDir) -> None:
    reported = evaluated(run).reported
    assert reported is not None
    assert (reported.comparable, reported.others) == (run.read_summary().scores.metrics, {})


def test_a_metric_with_other_options_is_another_quantity(run: RunDir) -> None:
    found = evaluated(run, "metrics=[{name: iou, threshold: 0.9}, dice]")
    scores = run.read_summary().scores.metrics
    assert found.reported is not None
    assert found.reported.comparable == {"dice": scores["dice"]}
    assert found.reported.others == {"iou": scores["iou"]}
    assert found.details == {"iou": "threshold 0.9"}
    assert found.reported.scored == "5 test images, at 32x32"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "options"),
    [
        ([], {"split": SplitChoice.train}),
        ([], {"native": True}),
        ([], {"predict": PredictOptions(flips=True)}),
        (["data.size=[64, 64]"], {}),
        (["data.ignore_index=255"], {}),
        (["data.normalize={mean: [0.1, 0.1, 0.1], std: [1, 1, 1]}"], {}),
        (["data.source.seed=9"], {}),
    ],
    ids=["split", "native", "flips", "size", "ignored pixels", "normalization", "images"],
)
def test_scores_of_other_images_sizes_and_ways_are_not_comparable(
    run: RunDir, overrides: list[str], options: dict[str, object]
) -> None:
    reported = evaluated(run, *overrides, **options).reported
    assert reported is not None
    assert (reported.comparable, reported.others) == ({}, run.read_summary().scores.metrics)


def test_an_ensemble_reports_nothing(run: RunDir, second: RunDir) -> None:
    assert evaluate_runs([run, second], EvaluateOptions()).reported is None


def test_a_score_of_one_image_has_another_name_than_that_of_all_together(run: RunDir, tmp_path: Path) -> None:
    page = write_evaluation(evaluated(run, "metrics=[iou_dataset, iou]"), tmp_path / "a").read_text()
    assert "All 5 scored images by IoU dataset of each image alone, the worst first</h2>" in page
    assert '<th scope="row">IoU dataset</th>' in page
    assert "</span> IoU dataset 0." not in page


def test_a_run_records_the_intervals_that_an_evaluation_finds(run: RunDir) -> None:
    found = evaluated(run)
    recorded = run.read_summary().scores.intervals
    assert recorded == {name: (interval.low, interval.high) for name, interval in found.intervals.items()}


def test_a_size_says_which_side_is_which() -> None:
    for kind, size, text in (
        ("stretch", (32, 32), "32x32"),
        ("stretch", (32, 48), "32x48 (height x width)"),
        ("letterbox", (32, 32), "up to 32x32"),
        ("crop", (32, 32), "the images' own size"),
    ):
        assert size_text(Fit(kind, size)) == text
    assert size_text(Fit("stretch", (32, 32)), native=True) == "the images' own size"

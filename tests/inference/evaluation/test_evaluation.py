"""Runs scored again: the figures are those of what `segkit predict` would write."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import segkit
from segkit.core.errors import SegkitError
from segkit.core.types import Task
from segkit.data.preprocess import decode, layout_of
from segkit.experiments.objectives import build_metric
from segkit.inference.evaluation.evaluate_runs import evaluate_runs
from segkit.inference.evaluation.evaluation import EvaluateOptions, run_name
from segkit.inference.options import PredictOptions
from segkit.inference.predictor import Predictor
from segkit.recipe import load_recipe
from segkit.runs.run_dir import RunDir
from tests.inference.evaluation.conftest import NATIVE, like, samples_of, scored
from tests.inference.networks import LESION, Brightness


def by_hand(run: RunDir, predictor: Predictor, metric: str = "iou", **asked: Any) -> list[float]:
    """The score of each image's predicted mask, at the image's own size."""
    task = predictor.info.task
    scores = []
    for sample in samples_of(run):
        image, truth = sample.read()
        mask = predictor.predict(image, **asked).mask
        scores.append(score_of(mask, truth, task, metric))
    return scores


def score_of(mask: Any, truth: Any, task: Task, metric: str) -> float:
    if task.kind == "multiclass":
        certain = np.eye(task.channels)[mask].transpose(2, 0, 1)
    else:
        certain, truth = (np.moveaxis(np.atleast_3d(one), -1, 0) for one in (mask, truth))
        truth = truth if task.kind == "multilabel" else truth[0]
    logits = torch.from_numpy(20.0 * certain - 10)[None]
    part = next(part for part in load_recipe_of(metric).metrics if part.name == metric)
    return float(
        build_metric(part, task).per_image(logits, torch.from_numpy(np.array(truth))[None])[0].mean()
    )


def load_recipe_of(metric: str) -> Any:
    return load_recipe(Path(__file__).parents[3] / "recipes" / "quickstart.yaml", [f"metrics=[{metric}]"])


def test_asked_as_in_training_a_run_has_the_figures_that_it_reports(of_a_task: RunDir) -> None:
    again = scored(of_a_task, asking=EvaluateOptions())
    summary = of_a_task.read_summary()
    assert again.scores.metrics == summary.scores.metrics
    assert again.scores.loss == summary.scores.loss
    assert again.as_json()["confusion"] == summary.scores.confusion
    assert again.warnings == [text for text in summary.warnings if "never predicted" in text]
    assert (again.members, again.images.split) == ([], "test")
    assert again.describe_options() == "at 32x32"


def test_at_own_size_the_scores_are_those_of_predicted_masks(of_a_task: RunDir) -> None:
    predictor = segkit.load(of_a_task)
    found = scored(of_a_task)
    assert found.scores.per_image["iou"] == pytest.approx(by_hand(of_a_task, predictor), abs=1e-12)
    assert found.describe_options() == "at the images' own size"
    assert found.scores.metrics["iou"] != of_a_task.read_summary().scores.metrics["iou"]


def test_mirrored_and_scaled_as_predict_does(run: RunDir) -> None:
    ways = PredictOptions(flips=True, scales=(1.0, 2.0))
    found = scored(run, asking=EvaluateOptions(native=True, predict=ways))
    expected = by_hand(run, segkit.load(run), flips=True, scales=(1.0, 2.0))
    assert found.scores.per_image["iou"] == pytest.approx(expected, abs=1e-12)
    assert found.describe_options() == "at the images' own size, with flips, scales 1, 2"


def test_at_the_recipe_s_size_mirrored_as_predict_does(run: RunDir) -> None:
    ways = PredictOptions(flips=True)
    found = scored(run, asking=EvaluateOptions(predict=ways))
    predictor, expected = segkit.load(run), []
    for sample in samples_of(run):
        image, truth = decode(sample, layout_of((32, 32), predictor.info.task, 3))
        mask = predictor.predict(image, flips=True).mask
        expected.append(score_of(mask, truth, predictor.info.task, "iou"))
    assert found.scores.per_image["iou"] == pytest.approx(expected, abs=1e-12)
    assert found.describe_options() == "at 32x32, with flips"
    assert found.scores.metrics["iou"] != run.read_summary().scores.metrics["iou"]


@pytest.mark.slow
def test_several_runs_are_one_model_and_each_is_scored_alone(run: RunDir, second: RunDir) -> None:
    found = scored(run, second)
    assert found.scores.per_image["iou"] == pytest.approx(by_hand(run, segkit.load([run, second])), abs=1e-12)
    assert [one.metrics for one in found.members] == [scored(one).scores.metrics for one in (run, second)]


def test_at_the_recipe_s_size_several_have_their_own_figures_beside_the_common_ones(
    run: RunDir, second: RunDir
) -> None:
    found = scored(run, second, asking=EvaluateOptions(), overrides=("metrics=[iou_soft, iou]",))
    for one, member in zip((run, second), found.members, strict=True):
        summary = one.read_summary().scores
        assert member.metrics["iou"] == pytest.approx(summary.metrics["iou"], abs=1e-6)
        assert member.classes.as_json()["confusion"] == summary.confusion
    assert found.scores.classes.confusion.sum() == 5 * 32 * 32
    assert {*found.as_json()["members"][1]["per_class"]} == {*summary.per_class}
    assert found.scores.metrics["iou_soft"] not in [member.metrics["iou_soft"] for member in found.members]


@pytest.mark.slow
def test_runs_of_several_sizes_have_one_at_the_images_own(run: RunDir, tmp_path: Path) -> None:
    larger = like(run, tmp_path / "larger" / "001", size=[64, 64])
    with pytest.raises(SegkitError) as caught:
        scored(run, larger, asking=EvaluateOptions())
    assert str(caught.value) == (
        "small/001 takes images of 32x32 pixels, larger/001 of 64x64: their scores are not comparable\n"
        "  try: use --native to score at the images' own size"
    )
    found = scored(run, larger)
    assert found.scores.per_image["iou"] == pytest.approx(by_hand(run, segkit.load([run, larger])), abs=1e-12)
    alone = [by_hand(one, segkit.load(one)) for one in (run, larger)]
    assert [one.per_image["iou"] for one in found.members] == [pytest.approx(one, abs=1e-12) for one in alone]


def test_runs_of_other_classes_are_no_one_model(run: RunDir, trained: Callable[[str], RunDir]) -> None:
    with pytest.raises(SegkitError) as caught:
        scored(run, trained("multiclass"))
    assert str(caught.value) == (
        "small and small predict different classes, so they cannot be averaged\n"
        "  try: use models of the same task and the same kind of image"
    )


def test_models_of_images_of_other_channels_are_no_one_model() -> None:
    with pytest.raises(SegkitError) as caught:
        Predictor([Brightness(), Brightness(replace(LESION, channels=1))])
    assert str(caught.value) == (
        "drawn and drawn take images with different numbers of channels, 3 and 1, "
        "so they cannot be averaged\n"
        "  try: use models of the same task and the same kind of image"
    )


@pytest.mark.parametrize("scale", [0.001, 11, math.nan])
def test_a_scale_that_no_model_takes_is_refused(run: RunDir, scale: float) -> None:
    with pytest.raises(SegkitError) as caught:
        scored(run, asking=EvaluateOptions(predict=PredictOptions(scales=(1.0, scale))))
    assert str(caught.value) == (
        f"scales (1.0, {scale}) are not between 0.1 and 10\n  try: for example 0.75, 1, 1.25"
    )


def test_a_run_is_named_by_its_folders_wherever_one_stands(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.path)
    assert run_name(RunDir.open(Path())) == "small/001"


@pytest.mark.slow
@pytest.mark.parametrize("asking", [EvaluateOptions(), NATIVE], ids=["as trained", "native"])
def test_a_run_of_another_machine_is_scored_on_this_one_and_that_is_told(
    run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asking: EvaluateOptions
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    moved = like(run, tmp_path / "small/001", "training", accelerator="cuda", precision="16-mixed")
    found = scored(moved, asking=asking)
    assert found.warnings == [
        "The recipe's device, cuda with precision 16-mixed, is not available: the run is scored on cpu with "
        "32-true, and scores may differ in the last digits."
    ]
    assert found.scores.metrics == scored(run, asking=asking).scores.metrics


def test_the_worst_come_first_and_undefined_scores_not_at_all(run: RunDir) -> None:
    found = scored(run)
    scores, names = found.scores.per_image["iou"], found.names
    assert [scores[i] for i in found.worst(9)] == sorted(scores)
    scores[:] = [0.5, math.nan, 0.5, 0.1, 0.9]
    by_name = sorted((0, 2), key=lambda index: names[index])
    assert found.worst(3) == [3, *by_name]


def test_of_a_metric_that_is_to_be_small_the_largest_are_the_worst(run: RunDir) -> None:
    found = scored(run, overrides=("metrics=[hd95, iou]",))
    scores = found.scores.per_image["hd95"]
    defined = [score for score in scores if not math.isnan(score)]
    assert [scores[i] for i in found.worst(9)] == sorted(defined, reverse=True)


@pytest.mark.parametrize("asking", [EvaluateOptions(), NATIVE], ids=["as trained", "native"])
@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_what_is_shown_is_what_was_scored(
    trained: Callable[[str], RunDir], kind: str, asking: EvaluateOptions
) -> None:
    found = scored(trained(kind), asking=asking)
    side = 64 if asking.native else 32
    for index, sample in enumerate(found.images.samples):
        pixels, truth, predicted = found.scorer.image_and_masks(index)
        assert (pixels.shape, truth.shape, predicted.shape) == ((side, side, 3), (side, side), (side, side))
        again = score_of(predicted, truth, found.recipe.data.goal, "iou")
        assert again == pytest.approx(found.scores.per_image["iou"][index], abs=1e-6)
        if asking.native:
            assert np.array_equal(pixels, sample.read()[0])


def test_of_one_image_there_is_no_interval(run: RunDir) -> None:
    found = scored(run, overrides=("data.source.test=1",))
    assert str(found.images) == "1 test image"
    assert found.as_json()["intervals"] == {"iou": None, "dice": None}


def test_progress_counts_the_images(run: RunDir) -> None:
    told: list[tuple[str, int, int]] = []
    evaluate_runs([run], NATIVE, on_progress=lambda *words: told.append(words))
    assert told == [("scoring 5 test images", done, 5) for done in range(1, 6)]
    told.clear()
    evaluate_runs([run], EvaluateOptions(), on_progress=lambda *words: told.append(words))
    reading = [("test images", done, 5) for done in range(1, 6)]
    assert told == [*reading, ("scoring test images", 5, 5)]


def test_as_plain_data(run: RunDir, second: RunDir) -> None:
    found = scored(run, second)
    plain = found.as_json()
    assert plain["runs"] == [str(run.path), str(second.path)]
    assert (plain["split"], plain["images"], plain["native"]) == ("test", 5, True)
    assert (plain["tta"], plain["scales"]) == (False, [1.0])
    assert math.isnan(plain["loss"])  # of means of probabilities there is none
    assert [member["run"] for member in plain["members"]] == plain["runs"]
    low, high = plain["intervals"]["iou"]
    assert low <= plain["metrics"]["iou"] <= high
    assert [one["image"] for one in plain["worst"]] == [found.names[i] for i in found.worst(8)]


def test_classes_are_those_that_it_has_learnt(run: RunDir) -> None:
    with pytest.raises(SegkitError) as caught:
        scored(run, overrides=("data.classes=[hair]",))
    assert str(caught.value) == (
        "small/001 was trained for binary foreground, but --set changes this to binary hair\n"
        "  try: do not change data.classes and data.task"
    )

"""Runs scored again: the figures are those of what `segkit predict` would write."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import segkit
from segkit.contracts import Sample, Task
from segkit.dataset import find_samples
from segkit.dry_scores import build_metric
from segkit.errors import SegkitError
from segkit.prediction.predictor import Predictor
from segkit.prediction.ways import Ways
from segkit.recipe import load_recipe
from segkit.run_dir import RunDir
from segkit.scoring.chosen import Chosen
from segkit.scoring.evaluation import Asking, Evaluation, evaluate_runs
from tests.small_runs import finished

from .conftest import HALF

NATIVE = Asking(native=True)


def scored(*runs: RunDir, asking: Asking = NATIVE, overrides: tuple[str, ...] = ()) -> Evaluation:
    return evaluate_runs(runs, asking, overrides)


def samples_of(run: RunDir) -> list[Sample]:
    return find_samples(load_recipe(run.recipe))["test"]


def by_hand(run: RunDir, predictor: Predictor, metric: str = "iou", **asked: Any) -> list[float]:
    """The score of each image's predicted mask, at the image's own size."""
    task = predictor.facts.task
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
    return float(build_metric(part, task).rows(logits, torch.from_numpy(np.array(truth))[None])[0].mean())


def load_recipe_of(metric: str) -> Any:
    return load_recipe(Path(__file__).parents[2] / "recipes" / "quickstart.yaml", [f"metrics=[{metric}]"])


def test_asked_as_in_training_a_run_has_the_figures_that_it_reports(of_a_task: RunDir) -> None:
    again = scored(of_a_task, asking=Asking())
    summary = of_a_task.read_summary()["scores"]
    assert again.scores.metrics == summary["metrics"]
    assert again.scores.loss == summary["loss"]
    assert (again.warnings, again.members, again.images.split) == ([], [], "test")
    assert again.how() == "at 32x32"


def test_at_own_size_the_scores_are_those_of_predicted_masks(of_a_task: RunDir) -> None:
    predictor = segkit.load(of_a_task)
    found = scored(of_a_task)
    assert found.scores.per_image["iou"] == pytest.approx(by_hand(of_a_task, predictor), abs=1e-12)
    assert found.how() == "at the images' own size"
    assert found.scores.metrics["iou"] != of_a_task.read_summary()["scores"]["metrics"]["iou"]


def test_mirrored_and_scaled_as_predict_does(run: RunDir) -> None:
    ways = Ways(flips=True, scales=(1.0, 2.0))
    found = scored(run, asking=Asking(native=True, ways=ways))
    expected = by_hand(run, segkit.load(run), flips=True, scales=(1.0, 2.0))
    assert found.scores.per_image["iou"] == pytest.approx(expected, abs=1e-12)
    assert found.how() == "at the images' own size, mirrored too, scales 1, 2"


def test_several_runs_are_one_model_and_each_is_scored_alone(run: RunDir, second: RunDir) -> None:
    found = scored(run, second)
    assert found.scores.per_image["iou"] == pytest.approx(by_hand(run, segkit.load([run, second])), abs=1e-12)
    assert [one.metrics for one in found.members] == [scored(one).scores.metrics for one in (run, second)]


def test_at_the_recipe_s_size_several_have_their_own_figures_beside_the_common_ones(
    run: RunDir, second: RunDir
) -> None:
    found = scored(run, second, asking=Asking(), overrides=("metrics=[iou_soft, iou]",))
    for one, member in zip((run, second), found.members, strict=True):
        assert member.metrics["iou"] == pytest.approx(
            one.read_summary()["scores"]["metrics"]["iou"], abs=1e-6
        )
    assert found.scores.metrics["iou_soft"] not in [member.metrics["iou_soft"] for member in found.members]


def test_runs_of_several_sizes_have_one_at_the_images_own(run: RunDir, tmp_path: Path) -> None:
    larger, _ = finished(tmp_path, "training.epochs=1")
    with pytest.raises(SegkitError) as caught:
        scored(run, larger, asking=Asking())
    assert str(caught.value) == (
        "small/001 looks at images of 32x32 pixels, small/001 at 64x64: their scores are not of one size\n"
        "  try: --native scores all of them at the images' own size"
    )
    assert len(scored(run, larger).members) == 2


def test_runs_of_other_classes_are_no_one_model(run: RunDir, tmp_path: Path) -> None:
    classes, _ = finished(
        tmp_path, *HALF, "data.task=multiclass", "data.classes=[skin, lesion]", "loss=cross_entropy"
    )
    with pytest.raises(SegkitError, match="small and small predict other classes, so no mean can be taken"):
        scored(run, classes)


def test_a_scale_that_the_model_cannot_take_is_refused(run: RunDir) -> None:
    with pytest.raises(SegkitError):
        scored(run, asking=Asking(ways=Ways(scales=(0.001,))))


def test_which_images(run: RunDir) -> None:
    train = scored(run, asking=Asking(images=Chosen.train))
    assert (str(train.images), len(train.names)) == ("10 train images", 10)
    everything = scored(run, asking=Asking(images=Chosen.all))
    assert str(everything.images) == "all 15 images"
    with pytest.raises(SegkitError) as caught:
        scored(run, asking=Asking(images=Chosen.val))
    assert caught.value.problems[0].hint == "--split train or --split test or --split all"
    assert "there are no val images" in str(caught.value)


def test_images_that_were_trained_on_are_told_of(run: RunDir) -> None:
    other, warning = scored(run, asking=Asking(images=Chosen.all)).warnings
    assert other == "The images are not those that the run reports its scores on."
    first = ", ".join(sample.name for sample in find_samples(load_recipe(run.recipe))["train"][:3])
    assert warning == (
        f"10 of the 15 scored images were among the training images of small/001 ({first} and 7 more): "
        "this is no score on images that the model has not seen."
    )


def test_images_that_only_have_the_name_of_training_images_are_told_of_apart(run: RunDir) -> None:
    elsewhere = ("data.source={name: synthetic_lesions, train: 4, test: 0, size: 64, seed: 9}",)
    found = scored(run, overrides=elsewhere)
    assert str(found.images) == "all 4 images"
    (warning,) = found.warnings
    assert warning.startswith("4 of the 4 scored images have the names of training images of small/001 (")


def test_that_training_images_are_gone_is_told(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(recipe: Any) -> Any:
        raise SegkitError("there is no such folder", where="photos")

    monkeypatch.setattr("segkit.scoring.leaks.survey_splits", gone)
    (warning,) = scored(run, overrides=("data.source.seed=9",)).warnings
    assert warning == (
        "Whether small/001 was trained on some of these images is not known: photos: there is no such folder."
    )


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


def test_damaged_files_are_all_named(run: RunDir, tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        for name in "abc":
            Image.new("L", (40, 30), 255).save(tmp_path / folder / f"{name}.png")
    (tmp_path / "images/a.png").write_bytes(b"no image")
    (tmp_path / "masks/c.png").write_bytes((tmp_path / "masks/c.png").read_bytes()[:60])
    source = f"data.source={{name: folder, images: {tmp_path / 'images'}, masks: {tmp_path / 'masks'}}}"
    with pytest.raises(SegkitError) as caught:
        scored(run, overrides=(source,))
    assert sorted(Path(problem.file).parent.name for problem in caught.value.problems) == ["images", "masks"]


def test_a_mask_of_another_size_is_named(run: RunDir, tmp_path: Path) -> None:
    for folder, size in (("images", (40, 30)), ("masks", (40, 31))):
        (tmp_path / folder).mkdir()
        Image.new("L", size, 255).save(tmp_path / folder / "a.png")
    source = f"data.source={{name: folder, images: {tmp_path / 'images'}, masks: {tmp_path / 'masks'}}}"
    with pytest.raises(SegkitError, match="the mask is 40x31 pixels, its image 40x30"):
        scored(run, overrides=(source,))


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

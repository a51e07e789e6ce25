"""Runs scored again: the figures are those of what `segkit predict` would write."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import segkit
from segkit.core.errors import SegkitError
from segkit.core.types import Sample, Task
from segkit.data.preprocess import decode, layout_of
from segkit.experiments.objectives import build_metric
from segkit.inference.evaluation.evaluate_runs import evaluate_runs
from segkit.inference.evaluation.evaluation import EvaluateOptions, Evaluation, run_name
from segkit.inference.evaluation.select_images import _pool_splits, choose_images
from segkit.inference.evaluation.split_choice import SplitChoice
from segkit.inference.options import PredictOptions
from segkit.inference.predictor import Predictor
from segkit.recipe import load_recipe
from segkit.recipe.dataset import find_samples
from segkit.runs.run_dir import RunDir
from tests.inference.evaluation.conftest import drawn, like
from tests.inference.networks import LESION, Brightness

NATIVE = EvaluateOptions(native=True)


def scored(*runs: RunDir, asking: EvaluateOptions = NATIVE, overrides: tuple[str, ...] = ()) -> Evaluation:
    return evaluate_runs(runs, asking, overrides)


def samples_of(run: RunDir) -> list[Sample]:
    return find_samples(load_recipe(run.recipe))["test"]


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
    summary = of_a_task.read_summary().scores
    assert again.scores.metrics == summary.metrics
    assert again.scores.loss == summary.loss
    assert (again.warnings, again.members, again.images.split) == ([], [], "test")
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
        assert member.metrics["iou"] == pytest.approx(one.read_summary().scores.metrics["iou"], abs=1e-6)
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
        "drawn and drawn take images with different numbers of channels, so they cannot be averaged\n"
        "  try: use models of the same task and the same kind of image"
    )


@pytest.mark.parametrize("scale", [0.001, 11, math.nan])
def test_a_scale_that_no_model_takes_is_refused(run: RunDir, scale: float) -> None:
    with pytest.raises(SegkitError) as caught:
        scored(run, asking=EvaluateOptions(predict=PredictOptions(scales=(1.0, scale))))
    assert str(caught.value) == (
        f"scales (1.0, {scale}) are not between 0.1 and 10\n  try: for example 0.75, 1, 1.25"
    )


def test_which_images(run: RunDir) -> None:
    train = scored(run, asking=EvaluateOptions(split=SplitChoice.train))
    assert (str(train.images), len(train.names)) == ("10 train images", 10)
    everything = scored(run, asking=EvaluateOptions(split=SplitChoice.all))
    assert str(everything.images) == "all 15 images"
    with pytest.raises(SegkitError) as caught:
        scored(run, asking=EvaluateOptions(split=SplitChoice.val))
    assert str(caught.value) == (
        "synthetic_lesions: there are no val images\n  try: use --split train or --split test or --split all"
    )


def test_masks_of_other_images_are_scored_as_they_are_in_their_files(run: RunDir, tmp_path: Path) -> None:
    sizes = {"a": (50, 41), "b": (33, 64), "c": (34, 34), "d": (64, 64), "e": (64, 37)}
    source = drawn(tmp_path, sizes)
    images, masks = tmp_path / "images", tmp_path / "masks"
    for sample, (name, (width, height)) in zip(samples_of(run), sizes.items(), strict=True):
        pixels, labels = (one[-height:, -width:] for one in sample.read())
        Image.fromarray(pixels).save(images / f"{name}.png")
        Image.fromarray(labels * np.uint8(255)).save(masks / f"{name}.png")
    found = scored(run, overrides=(source,))
    assert (str(found.images), found.names) == ("all 5 images", [*sizes])
    predictor, expected = segkit.load(run), []
    for name in sizes:
        predicted = predictor.predict(images / f"{name}.png").mask > 0
        truth = np.array(Image.open(masks / f"{name}.png")) > 0
        expected.append((predicted & truth).sum() / (predicted | truth).sum())
    assert found.scores.per_image["iou"] == pytest.approx(expected, abs=1e-12)
    assert len({*expected}) > 3  # the model says something of them
    assert found.warnings == []


@pytest.mark.slow
def test_of_another_source_its_own_test_images_are_taken_or_its_val_images(
    run: RunDir, tmp_path: Path
) -> None:
    elsewhere = "data.source={name: synthetic_lesions, train: 4, test: 2, size: 64, seed: 9}"
    assert str(scored(run, overrides=(elsewhere,)).images) == "2 test images"
    divided = (elsewhere, "data.split={by: fraction, val: 0.25}")
    assert (
        str(scored(run, overrides=divided, asking=EvaluateOptions(True, split=SplitChoice.val)).images)
        == "1 val image"
    )
    names = "abcdefgh"
    split = tmp_path / "split.csv"
    split.write_text(
        "name,split\n" + "".join(f"{name},{'train' if name < 'g' else 'val'}\n" for name in names)
    )
    some = (
        drawn(tmp_path / "some", dict.fromkeys(names, (40, 30))),
        f"data.split={{by: file, file: {split}}}",
    )
    found = scored(run, overrides=some)
    assert (str(found.images), found.names) == ("2 val images", ["g", "h"])


def test_a_division_of_the_run_s_own_images_is_not_carried_to_others(run: RunDir, tmp_path: Path) -> None:
    """The folder has no image that the run's file names."""
    split = tmp_path / "split.csv"
    split.write_text("name,split\nx,train\ny,val\n")
    divided = like(run, tmp_path / "small" / "001", split={"by": "file", "file": str(split)})
    found = scored(divided, overrides=(drawn(tmp_path / "some", {"a": (40, 30)}),))
    assert str(found.images) == "all 1 image"


def test_a_run_without_test_images_is_scored_on_those_that_it_reports(run: RunDir, tmp_path: Path) -> None:
    source = {"name": "synthetic_lesions", "train": 4, "test": 0, "size": 64}
    divided = like(run, tmp_path / "small/001", source=source, split={"by": "fraction", "val": 0.5})
    assert str(scored(divided).images) == "2 val images"


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


def test_names_that_two_splits_have_are_told_apart(run: RunDir) -> None:
    elsewhere = "data.source={name: synthetic_lesions, train: 2, test: 1, size: 64}"
    recipe = load_recipe(run.recipe, [elsewhere])
    whole = choose_images(recipe, [elsewhere], SplitChoice.all).samples
    names = {split: [sample.name for sample in found] for split, found in find_samples(recipe).items()}
    assert [sample.name for sample in whole] == [*names["train"], *names["test"]]
    twice = _pool_splits({"train": whole[:2], "test": whole[1:]})
    first, both, last = (sample.name for sample in whole)
    assert [sample.name for sample in twice] == [first, f"train/{both}", f"test/{both}", last]


def test_images_that_were_trained_on_are_told_of(run: RunDir) -> None:
    other, warning = scored(run, asking=EvaluateOptions(split=SplitChoice.all)).warnings
    assert other == "The images are not those that the run reports its scores on."
    first = ", ".join(sample.name for sample in find_samples(load_recipe(run.recipe))["train"][:3])
    assert warning == (
        f"10 of the 15 scored images were among the training images of small/001 ({first} and 7 more): "
        "this is not a score on unseen images."
    )


def test_every_member_is_asked_whether_it_was_trained_on_the_images(run: RunDir, tmp_path: Path) -> None:
    drawn(tmp_path / "own", dict.fromkeys("abc", (40, 30)))
    source = {
        "name": "folder",
        "images": str(tmp_path / "own" / "images"),
        "masks": str(tmp_path / "own" / "masks"),
    }
    members = []
    for name, kept in (("honest", "c"), ("other", "a")):
        split = tmp_path / f"{name}.csv"
        split.write_text(
            "name,split\n" + "".join(f"{one},{'test' if one == kept else 'train'}\n" for one in "abc")
        )
        divided = {"by": "file", "file": str(split)}
        members.append(like(run, tmp_path / name / "001", source=source, split=divided))
    assert scored(*members).warnings == [
        "1 of the 1 scored images were among the training images of other/001 (c): "
        "this is not a score on unseen images."
    ]


def test_a_copy_of_a_training_image_in_the_run_s_own_test_split_is_told_of(
    run: RunDir, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    drawn(own, dict.fromkeys("abc", (40, 30)))
    shutil.copy(own / "images/a.png", own / "images/c.png")
    (tmp_path / "split.csv").write_text("name,split\na,train\nb,train\nc,test\n", encoding="utf-8")
    source = {"name": "folder", "images": str(own / "images"), "masks": str(own / "masks")}
    divided = {"by": "file", "file": str(tmp_path / "split.csv")}
    assert scored(like(run, tmp_path / "runs/001", source=source, split=divided)).warnings[-1] == (
        "1 of the 1 scored images were among the training images of runs/001 (c): "
        "this is not a score on unseen images."
    )


def test_images_that_only_have_the_name_of_training_images_are_told_of_apart(run: RunDir) -> None:
    elsewhere = ("data.source={name: synthetic_lesions, train: 4, test: 0, size: 64, seed: 9}",)
    found = scored(run, overrides=elsewhere)
    assert str(found.images) == "all 4 images"
    (warning,) = found.warnings
    assert warning.startswith("4 of the 4 scored images have the names of training images of small/001 (")


@pytest.mark.slow
@pytest.mark.parametrize("native", [False, True])
def test_images_scaled_very_differently_from_training_images_are_told_of(
    run: RunDir, tmp_path: Path, native: bool
) -> None:
    assert run.read_environment().image_scales == (0.5, 0.5)
    asking = EvaluateOptions(native=native)
    usual = drawn(tmp_path / "usual", {"a": (64, 64), "b": (100, 60)})
    assert "of their size" not in " ".join(scored(run, asking=asking, overrides=(usual,)).warnings)
    large = drawn(tmp_path / "large", {"a": (640, 640), "b": (64, 64)})
    assert "of their size" not in " ".join(scored(run, asking=asking, overrides=(large,)).warnings)
    squares = np.indices((640, 640)).sum(0) // 20 % 2  # as many as in 100 patches
    Image.fromarray((255 * squares).astype(np.uint8)).save(tmp_path / "large/masks/a.png")
    warning = scored(run, asking=asking, overrides=(large,)).warnings[-1]
    assert warning.startswith("1 of 2 sampled images are scaled to 0.05 of their size for the model, its ")
    assert "training images to 0.5 of theirs, and masks have " in warning


def test_that_training_images_are_gone_is_told(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(recipe: Any) -> Any:
        raise SegkitError("there is no such folder", where="photos", hint="look\nfor it")

    monkeypatch.setattr("segkit.inference.evaluation.leaks.scan_splits", gone)
    (warning,) = scored(run, overrides=("data.source.seed=9",)).warnings
    assert warning == (
        "Cannot check whether small/001 was trained on some of these images: photos: there is no such folder."
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
    """In the first images that are scored at once, and in the last; an image and its mask too."""
    source = drawn(tmp_path, dict.fromkeys("abcdefghi", (40, 30)))
    images, masks = tmp_path / "images", tmp_path / "masks"
    (images / "a.png").write_bytes(b"no image")
    for broken in (masks / "c.png", images / "i.png", masks / "i.png"):
        broken.write_bytes(broken.read_bytes()[:60])
    with pytest.raises(SegkitError) as caught:
        scored(run, overrides=(source,))
    places = [images / "a.png", masks / "c.png", images / "i.png", masks / "i.png"]
    assert [problem.file for problem in caught.value.problems] == [str(place) for place in places]


def test_a_mask_of_another_size_is_named(run: RunDir, tmp_path: Path) -> None:
    for folder, size in (("images", (40, 30)), ("masks", (40, 31))):
        (tmp_path / folder).mkdir()
        Image.new("L", size, 255).save(tmp_path / folder / "a.png")
    source = f"data.source={{name: folder, images: {tmp_path / 'images'}, masks: {tmp_path / 'masks'}}}"
    with pytest.raises(SegkitError) as caught:
        scored(run, overrides=(source,))
    assert str(caught.value) == (
        f"{tmp_path / 'masks/a.png'}: the mask is 40x31 pixels, its image 40x30\n"
        f"  try: the image is {tmp_path / 'images/a.png'}"
    )


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

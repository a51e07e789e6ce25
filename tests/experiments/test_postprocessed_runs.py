"""Runs with post-processing: recorded, scored beside the raw masks, and the same wherever the run is used."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from scipy import ndimage

import segkit
from segkit.analysis.report.contents import contents
from segkit.analysis.report.run_data import read_run_data
from segkit.core.errors import SegkitError
from segkit.experiments.check import check
from segkit.experiments.run_recipe import load_run_recipe
from segkit.inference.evaluation.evaluate_runs import evaluate_runs
from segkit.inference.evaluation.evaluation import EvaluateOptions
from segkit.inference.export.export import export_run
from segkit.inference.options import PredictOptions
from segkit.recipe.dataset import find_samples
from segkit.recipe.postprocess_settings import PostprocessSettings
from segkit.runs.run_dir import RunDir
from tests.small_runs import recipe, unreported

SOURCE = "data.source={name: synthetic_lesions, train: 6, val: 12, test: 3, size: [48, 80]}"
SMALL = (SOURCE, "data.size=[32, 32]", "training.epochs=1", "metrics=[iou, hd95]")
RAW = EvaluateOptions(predict=PredictOptions(postprocess=False))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    return unreported(tmp_path_factory.mktemp("chosen"), *SMALL, "postprocess=auto")[0]


def changed(run: RunDir, directory: Path, postprocess: object, **data: object) -> RunDir:
    """A run's weights in another run with other post-processing, whose network sees images in another way."""
    shutil.copytree(run.path, directory)
    recipe = yaml.safe_load((directory / "recipe.yaml").read_text(encoding="utf-8"))
    recipe["data"] |= data
    recipe["postprocess"] = postprocess
    (directory / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    other = RunDir.open(directory)
    other.write_environment(other.read_environment().model_copy(update={"recipe": recipe}))
    return other


def iou(mask: np.ndarray, truth: np.ndarray) -> float:
    return float((mask & truth).sum() / max(1, (mask | truth).sum()))


def test_the_choice_is_recorded_and_what_is_chosen_is_scored(run: RunDir) -> None:
    record, summary = run.read_postprocess(), run.read_summary()
    assert record is not None
    assert (record.split, record.images, record.metric, record.candidates) == ("val", 12, "iou", 195)
    (choice,) = record.choices
    assert summary.postprocess == record.settings == choice.settings
    assert summary.warnings == []
    raw, better = summary.scores.metrics["iou"], summary.postprocessed.metrics["iou"]
    assert better > raw + choice.low > raw
    page = contents(read_run_data(run))["postprocess"]
    assert "Chosen from 195 candidates on 12 validation images." in page["note"]
    scores, choices = page["tables"]
    assert scores.rows[0][:3] == ["IoU", f"{raw:.4f}", f"{better:.4f}"]
    assert choices.rows[0][1] == choice.settings.in_words()

    evaluation = evaluate_runs([run], EvaluateOptions())
    assert evaluation.scores.metrics == summary.postprocessed.metrics
    assert evaluation.reported.comparable == summary.postprocessed.metrics
    assert evaluation.as_json()["postprocess"] == record.settings.model_dump()
    assert evaluation.describe_options() == f"at 32x32, post-processed ({choice.settings.in_words()})"
    raw_scores = evaluate_runs([run], RAW)
    assert raw_scores.scores.metrics == raw_scores.reported.comparable == summary.scores.metrics
    assert raw_scores.as_json()["postprocess"] is None


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({}, id="stretch", marks=pytest.mark.slow),
        pytest.param({"fit": "letterbox"}, id="letterbox", marks=pytest.mark.slow),
        pytest.param({"fit": "crop", "scale": 0.5, "crop": {"overlap": 0.5}}, id="crop"),
    ],
)
def test_scores_are_those_of_the_masks_that_are_predicted(run: RunDir, data: dict, tmp_path: Path) -> None:
    samples = [sample.read() for sample in find_samples(load_run_recipe(run))["test"]]
    level = float(np.median(segkit.load(run).predict(samples[0][0]).probabilities))
    steps = {"threshold": level, "fill_holes": 3, "min_size": 12, "keep_largest": True}
    other = changed(run, tmp_path / "small" / "001", steps, **data)
    predictor = segkit.load(other)
    assert (predictor.info.format, predictor.info.postprocess) == (3, PostprocessSettings(**steps))
    predictions = [predictor.predict(image) for image, _ in samples]
    raw = [predictor.predict(image, postprocess=False).mask for image, _ in samples]
    for prediction, mask in zip(predictions, raw, strict=True):
        assert not np.array_equal(prediction.mask, mask)
        assert ndimage.label(prediction.mask, np.ones((3, 3)))[1] <= 1
    masks = [prediction.mask for prediction in predictions]
    expected = [iou(mask, truth) for mask, (_, truth) in zip(masks, samples, strict=True)]
    evaluation = evaluate_runs([other], EvaluateOptions(native=True))
    assert evaluation.scores.per_image["iou"] == pytest.approx(expected, abs=1e-9)
    for index, prediction in enumerate(predictions):
        assert np.array_equal(evaluation.scorer.image_and_masks(index)[2], prediction.mask)

    ensemble = evaluate_runs([other, other], EvaluateOptions(native=True))
    for scores in (ensemble.scores, *ensemble.members):
        assert scores.per_image["iou"] == pytest.approx(expected, abs=1e-9)
    mixed = segkit.load([other, run])
    assert mixed.postprocess is None
    assert mixed.warnings[-1] == (
        "The models have different post-processing, which was not chosen for the mean of their "
        "probabilities: their masks are not post-processed."
    )


def test_nothing_is_chosen_without_validation_images(tmp_path: Path) -> None:
    given = recipe(tmp_path, "postprocess=auto")
    with pytest.raises(SegkitError) as caught:
        check(given)
    (problem,) = caught.value.problems
    assert problem.problem == "postprocess: auto chooses on validation images, and there are none"
    assert problem.hint == (
        "data.split: {by: fraction, val: 0.2} sets some aside; or write the steps, such as "
        "postprocess: {keep_largest: true}"
    )


def test_a_damaged_choice_is_named(run: RunDir, tmp_path: Path) -> None:
    other = changed(run, tmp_path / "small" / "001", "auto")
    content = json.loads(other.postprocess.read_text())
    content["settings"]["threshold"] = {"leson": 0.4}
    other.postprocess.write_text(json.dumps(content))
    with pytest.raises(SegkitError, match=r"settings.threshold: no class is called 'leson'"):
        segkit.load(other)
    other.postprocess.unlink()
    assert segkit.load(other).postprocess is None


@pytest.mark.slow
def test_an_onnx_file_gives_the_same_masks(
    run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = export_run(run, Path("a.onnx"), "onnx")
    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 256, (60, 100, 3), np.uint8)).save("photo.jpg", quality=95)
    expected = segkit.load(run).predict("photo.jpg")
    assert np.array_equal(segkit.load("a.onnx").predict("photo.jpg").mask, expected.mask)
    card = outcome.files[1].read_text()
    assert f"| Post-processing | {run.read_summary().postprocess.in_words()} |" in card
    assert "| Metric | Without post-processing | With | 95% interval |" in card
    names: dict = {}
    exec(re.findall(r"^```python\n(.*?)^```$", card, re.MULTILINE | re.DOTALL)[-1], names)
    assert np.array_equal(names["mask"], expected.mask)

"""Runs with letterbox and crop: a run, `evaluate` and the masks of `predict` have the same scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import segkit
from segkit.core.errors import SegkitError
from segkit.data.preprocess import decode, layout_of, prepare
from segkit.experiments.objectives import build_metric
from segkit.inference.evaluation import native_scores
from segkit.inference.evaluation.evaluation import EvaluateOptions
from segkit.inference.evaluation.native_scores import score_natively
from segkit.inference.evaluation.score_images import PredictorScorer
from segkit.inference.options import PredictOptions
from segkit.inference.predictor import Predictor
from segkit.inference.torch_network import open_network
from segkit.recipe import load_recipe
from segkit.runs.run_dir import RunDir
from tests.inference.evaluation.conftest import NATIVE, drawn, like, samples_of, scored

CROP: dict[str, Any] = {"fit": "crop", "scale": 1.0, "crop": {"overlap": 0.25}}
SIZES = {"wide": (100, 40), "tall": (33, 90), "small": (20, 24)}  # (width, height)


def iou_by_hand(
    run: RunDir, predictor: Predictor, overrides: tuple[str, ...] = (), **ways: Any
) -> list[float]:
    """IoU of predicted masks and those of the files, in numpy."""
    recipe, scores = load_recipe(run.recipe, overrides), []
    for sample in samples_of(run) if not overrides else pooled(recipe):
        image, truth = sample.read()
        mask = predictor.predict(image, **ways).mask
        scores.append(float((mask & truth).sum() / (mask | truth).sum()))
    return scores


def pooled(recipe: Any) -> list[Any]:
    from segkit.recipe.dataset import scan_splits

    return [sample for samples in scan_splits(recipe).whole().values() for sample in samples]


@pytest.mark.parametrize(
    "changes", [pytest.param(CROP, marks=pytest.mark.slow), CROP | {"scale": 0.7, "size": [32, 64]}]
)
def test_a_run_of_windows_is_scored_at_the_images_own_size(run: RunDir, tmp_path: Path, changes: Any) -> None:
    cropped = like(run, tmp_path / "cropped" / "001", **changes)
    source = drawn(tmp_path / "drawn", SIZES)
    for overrides in ((), (source,)):
        predictor = segkit.load(cropped)
        found = scored(cropped, asking=EvaluateOptions(), overrides=overrides)
        expected = iou_by_hand(cropped, predictor, overrides)
        assert found.scores.per_image["iou"] == pytest.approx(expected, abs=1e-6)
        assert found.describe_options() == "at the images' own size"
        assert (found.as_json()["native"], found.as_json()["size"]) == (True, None)
    again = scored(cropped, asking=NATIVE, overrides=(source,))  # no other scores
    assert again.scores.per_image == found.scores.per_image
    # The pipeline of `predict` gives the same as that of training.
    network, metrics = open_network(cropped), found.recipe.metrics
    scorer = PredictorScorer(
        [network], found.images.samples,
        {part.key: build_metric(part, found.recipe.data.goal) for part in metrics},
        PredictOptions(), False, "",
    )  # fmt: skip
    (other,) = scorer.scores(lambda *progress: None)
    for name, scores in found.scores.per_image.items():
        assert other.per_image[name] == pytest.approx(scores, abs=1e-6)
    flips = scored(cropped, asking=EvaluateOptions(predict=PredictOptions(flips=True)), overrides=(source,))
    expected = iou_by_hand(cropped, predictor, (source,), flips=True)
    assert flips.scores.per_image["iou"] == pytest.approx(expected, abs=1e-12)
    pictures, others = found.scorer.image_and_masks(1), scorer.image_and_masks(1)
    assert {one.shape[:2] for one in (*pictures, *others)} == {(90, 33)}
    for one, same in zip(pictures[1:], others[1:], strict=True):
        np.testing.assert_array_equal(one, same)


def test_padding_of_a_letterbox_is_in_no_score(run: RunDir, tmp_path: Path) -> None:
    boxed = like(run, tmp_path / "boxed" / "001", fit="letterbox", size=[32, 48])
    overrides = (drawn(tmp_path / "drawn", SIZES),)
    found = scored(boxed, asking=EvaluateOptions(), overrides=overrides)
    assert found.describe_options() == "at up to 32x48 (height x width)"
    predictor = segkit.load(boxed)
    for sample, score in zip(found.images.samples, found.scores.per_image["iou"], strict=True):
        layout = layout_of(predictor.info.geometry, predictor.info.task, 3)
        image, truth = decode(sample, layout)
        mask = predictor.predict(image).mask  # it fits exactly, and is not resized again
        assert score == pytest.approx(float((mask & truth).sum() / (mask | truth).sum()), abs=1e-6)
    flipped = scored(boxed, asking=EvaluateOptions(predict=PredictOptions(flips=True)), overrides=overrides)
    assert flipped.scores.per_image["iou"] != found.scores.per_image["iou"]
    native = scored(boxed, overrides=overrides)
    expected = iou_by_hand(boxed, predictor, overrides)
    assert native.scores.per_image["iou"] == pytest.approx(expected, abs=1e-12)
    image, truth, mask = found.scorer.image_and_masks(2)
    assert image.shape[:2] == truth.shape == mask.shape == (19, 48)


def test_an_ensemble_of_any_fits_is_scored_at_the_images_own_size(run: RunDir, tmp_path: Path) -> None:
    cropped = like(run, tmp_path / "a" / "001", **CROP)
    reduced = like(run, tmp_path / "b" / "001", **CROP | {"scale": 0.5})
    networks = {one: open_network(one) for one in (run, cropped, reduced)}

    def by_hand(*runs: RunDir) -> Any:
        expected = iou_by_hand(run, Predictor([networks[one] for one in runs]))
        return pytest.approx(expected, abs=1e-12)

    both = scored(cropped, reduced, asking=EvaluateOptions())
    assert both.scores.per_image["iou"] == by_hand(cropped, reduced)
    with pytest.raises(SegkitError) as caught:
        scored(cropped, run, asking=EvaluateOptions())
    assert str(caught.value) == (
        "a/001 takes windows of 32x32 pixels, small/001 images of 32x32: their scores are not comparable\n"
        "  try: use --native to score at the images' own size"
    )
    found = scored(run, reduced)
    assert found.scores.per_image["iou"] == by_hand(run, reduced)
    assert [member.per_image["iou"] for member in found.members] == [by_hand(run), by_hand(reduced)]


def test_native_scores_are_computed_once_for_all_comparisons(
    run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = like(run, tmp_path / "small" / "001")
    (data,) = score_natively(copy.path, ())
    expected = scored(run).scores
    assert (data.scores, data.summary.scores.metrics) == (expected.per_image, expected.metrics)
    assert data.native == copy.read_native_scores()
    recipe = load_recipe(copy.recipe, ["data.fit=crop"])
    prepared = prepare(samples_of(copy), recipe.data.geometry, recipe.data.goal, 3)
    assert data.native.pixels == prepared.digest()  # that of a run with fit: crop

    def fail(*arguments: Any) -> None:
        raise AssertionError("scored again")

    monkeypatch.setattr(native_scores, "_score", fail)
    (again,) = score_natively(copy.path, ())
    assert again.scores == data.scores
    copy.weights.write_bytes(copy.weights.read_bytes()[:-1])
    with pytest.raises(AssertionError, match="scored again"):
        [*score_natively(copy.path, ())]

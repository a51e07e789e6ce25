"""Whole runs on images at their own resolution or aspect ratio: scores, samples and predictions agree."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from segkit.core.events import EpochEnded
from segkit.data.eval_windows import EvalWindows
from segkit.experiments.restore_run import open_trained
from segkit.experiments.samples import predict_shown
from segkit.experiments.summary import summarise
from segkit.runs.provisional import provisional_summary
from segkit.runs.thumbnails import read_thumbnails
from tests.small_runs import unreported

SMALL = [
    "data.source={name: synthetic_lesions, train: 6, test: 3, size: [48, 80]}", "data.size=[32, 32]",
    "training.epochs=1", "metrics=[iou, dice, hd95]",
]  # fmt: skip
CROP = [*SMALL, "data.fit=crop", "data.crop.overlap=0.5"]


def scores_of(run) -> dict[str, list[float]]:
    with run.scores.open(encoding="utf-8", newline="") as file:
        lines = [*csv.DictReader(file)]
    return {name: [float(line[name]) for line in lines] for name in ("iou", "dice", "hd95")}


@pytest.mark.parametrize(
    ("overrides", "shown", "windows"),
    [
        ([*CROP, "data.scale=0.5", "data.validate_windows=4"], (48, 80), 2 * 3),
        ([*SMALL, "data.fit=letterbox"], (19, 32), 3),
    ],
    ids=["crop", "letterbox"],
)
def test_scores_samples_and_predictions_of_a_run_agree(tmp_path, overrides, shown, windows):
    run, events = unreported(tmp_path, *overrides)
    trained = open_trained(run)
    assembly, scores = trained.assembly, scores_of(run)
    batches = assembly.eval_batches("test")
    assert isinstance(batches, EvalWindows)
    assert len(batches) == windows
    assert trained.scores().per_image == scores

    for index, iou in enumerate(scores["iou"]):
        picture, truth, prediction = predict_shown(assembly, "test", index)
        assert picture.shape[:2] == truth.shape == prediction.shape == shown
        both, either = (truth == 1) & (prediction == 1), (truth == 1) | (prediction == 1)
        assert both.sum() / either.sum() == pytest.approx(iou, abs=1e-9)
    for sample in run.read_samples():
        index = assembly.splits["test"].names.index(sample.record.image)
        for stored, predicted in zip(
            (sample.pixels, sample.truth, sample.prediction),
            predict_shown(assembly, "test", index),
            strict=True,
        ):
            assert np.array_equal(stored, predicted)
    assert len(read_thumbnails(run.thumbnails)) == 3

    training = run.read_training_samples()
    written = json.loads((run.samples / "training.json").read_text())
    assert [entry["image"] for entry in written] == [sample.image for sample in training]
    assert {sample.pixels.shape for sample in training} == {(32, 32, 3)}
    assert all((sample.mask == 255).any() for sample in training)  # images are smaller than the input

    (epoch,) = (event for event in events if isinstance(event, EpochEnded))
    told = []
    found = assembly.epoch_scorer(lambda *progress: told.append(progress))(assembly.model)
    assert found.metrics == epoch.metrics
    assert found.loss == epoch.val_loss
    label, done, total = told[-1]
    if shown == (48, 80):
        assert (label, done, total) == ("scoring windows of test images", 4, 4)
        assert run.read_summary().validate_windows == provisional_summary(run).validate_windows == 4
        data = assembly.recipe.data.model_copy(update={"validate_windows": windows + 1})
        larger = replace(assembly, recipe=assembly.recipe.model_copy(update={"data": data}))
        rest = ([epoch], trained.scores(), {})
        every = summarise(larger, events[0], *rest, seconds=1, encoder_digests=("", ""))
        assert every.validate_windows == windows
        assert len(found.per_image["iou"]) == 4
    else:
        assert (label, done, total) == ("scoring test images", 3, 3)
        assert run.read_summary().validate_windows is None

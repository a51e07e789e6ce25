"""A run that was stopped is used as it is, and says of which epoch its weights are."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

import segkit
from segkit.analysis.report import write_report
from segkit.core.errors import Interrupted, SegkitError
from segkit.core.events import EpochEnded
from segkit.experiments.resume import resume
from segkit.experiments.run import run
from segkit.inference.evaluation.evaluate_runs import evaluate_runs
from segkit.inference.evaluation.evaluation import EvaluateOptions
from segkit.runs.run_dir import RunDir
from segkit.training.tensor_file import read_tensors
from segkit.utils.signals import StopSignal
from tests.small_runs import recipe

OVERRIDES = ("training.epochs=9", "data.source.val=4", "metrics=[iou_soft, dice]", "training.ema_decay=0.9")


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    folder, stop = tmp_path_factory.mktemp("begun"), StopSignal()
    with pytest.raises(Interrupted):
        stop_in_epoch(3, run(recipe(folder, *OVERRIDES), folder / "runs", stop=stop), stop)
    return RunDir(folder / "runs" / "small" / "001")


@pytest.fixture
def stopped(begun, tmp_path):
    shutil.copytree(begun.path, tmp_path / "small" / "001")
    return RunDir(tmp_path / "small" / "001")


def stop_in_epoch(epoch, events, stop):
    for event in events:
        stop.requested |= not isinstance(event, EpochEnded) and getattr(event, "epoch", 0) == epoch


def best_of(directory):
    return max(directory.read_epochs(), key=lambda line: line["iou_soft"])["epoch"]


def words(directory):
    return (
        "This run has not ended: it was stopped after epoch 2 of 9. "
        f"Its weights and scores are those of epoch {best_of(directory)}, the best so far."
    )


def test_it_predicts(stopped):
    predictor = segkit.load(stopped.path)
    assert [*predictor.warnings] == [words(stopped)]
    assert predictor.predict(Image.new("RGB", (64, 64))).mask.shape == (64, 64)
    line = stopped.read_epochs()[best_of(stopped) - 1]
    assert predictor.info.scored_on == "val"
    assert predictor.info.images == 4
    assert predictor.info.scores == {"iou_soft": line["iou_soft"], "dice": line["dice"]}


def test_it_is_evaluated(stopped):
    evaluation = evaluate_runs([RunDir.open(stopped.path, stopped=True)], EvaluateOptions())
    assert evaluation.warnings == [words(stopped)]
    assert len(evaluation.names) == 5


def test_its_report_has_the_epochs_and_no_images(stopped):
    write_report(stopped)
    page = stopped.report.read_text(encoding="utf-8")
    assert words(stopped) in page
    assert f"Best epoch {best_of(stopped)} of 2, chosen by" in page
    assert "scored on 4 validation images of 64 x 64 pixels with averaged weights (EMA, decay 0.9)" in page
    assert "per image" not in page
    assert "per image" not in stopped.report.with_suffix(".md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_it_is_compared_with_the_same_run_ended(stopped, tmp_path):
    ended = tmp_path / "ended" / "001"
    shutil.copytree(stopped.path, ended)
    (*_, event) = resume(ended, ["training.epochs=1"])
    summary = event.summary
    assert (summary.epochs, summary.best.epoch) == (2, best_of(stopped))
    assert summary == RunDir.open(ended).read_summary()
    assert (ended / "report.html").is_file()
    comparison = segkit.compare([ended, stopped.path])
    first, second = (candidate.scores["dice"] for candidate in comparison.candidates)
    np.testing.assert_array_equal(first, second)
    assert any(words(stopped) in warning for warning in comparison.warnings)
    assert sorted(path.name for path in stopped.path.iterdir()) == [
        "checkpoints", "environment.json", "metrics.jsonl", "recipe.yaml", "splits.csv",
    ]  # fmt: skip


def test_weights_know_their_epoch_whatever_was_written_after_them(stopped):
    before = words(stopped)
    last = stopped.read_epochs()[-1] | {"epoch": 3, "best": True}
    with stopped.metrics.open("a", encoding="utf-8") as file:
        file.write(json.dumps(last) + '\n{"epoch": 4, "best')  # killed here
    summary = stopped.read_summary()
    assert summary.warnings == [before.replace("after epoch 2", "after epoch 3")]
    assert read_tensors(stopped.weights)[1] == {"epoch": summary.best.epoch}


def test_weights_of_an_earlier_version_are_those_of_the_last_best_line(stopped):
    content = stopped.weights.read_bytes()
    stopped.weights.write_bytes(content.replace(b'{\\"epoch\\": ', b'{\\"other\\": '))
    assert stopped.read_summary().warnings == [words(stopped)]


def test_a_run_without_weights_is_refused(stopped):
    stopped.weights.unlink()
    with pytest.raises(SegkitError, match="this run has not ended") as caught:
        RunDir.open(stopped.path, stopped=True)
    assert caught.value.problems[0].hint == f"segkit resume {stopped.path} continues it"


def test_an_edit_that_changes_the_predictions_is_told(stopped):
    text = stopped.recipe.read_text(encoding="utf-8").replace(
        "  normalize: null", "  normalize: {mean: [0, 0, 0], std: [1, 1, 1]}"
    )
    stopped.recipe.write_text(text.replace("lr: 0.01", "lr: 0.5"), encoding="utf-8")
    warning = (
        'The recipe has been edited since the run: data.normalize is {"mean": [0.0, 0.0, 0.0], '
        '"std": [1.0, 1.0, 1.0]}, it was null.'
    )
    assert [*segkit.load(stopped.path).warnings] == [words(stopped), warning]

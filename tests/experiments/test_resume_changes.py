"""A run that has begun goes on with its own recipe, and with the changes that it records."""

import shutil

import pytest

from segkit.core.errors import Interrupted, SegkitError
from segkit.core.events import EpochEnded
from segkit.experiments.resume import resume
from segkit.experiments.run import run
from segkit.experiments.study_plan import make_plan
from segkit.recipe import load_recipe
from segkit.runs.run_dir import RunDir
from segkit.utils.signals import StopSignal
from tests.small_runs import RECIPE, finished, recipe

CONSTANT = "schedule=constant"


@pytest.fixture(autouse=True)
def unreported(monkeypatch):
    """Reports take most of a small run's time."""
    monkeypatch.setattr("segkit.experiments.recorder.write_report", lambda directory: directory.report)
    monkeypatch.setattr("segkit.experiments.resume.write_report", lambda directory: directory.report)


def stopped(chosen, runs):
    """A run that was stopped after its first epoch."""
    stop = StopSignal()
    with pytest.raises(Interrupted):
        stop_after_an_epoch(run(chosen, runs, stop=stop), stop)
    return RunDir(runs / "small" / "001")


def stop_after_an_epoch(events, stop):
    for event in events:
        stop.requested |= isinstance(event, EpochEnded)


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    folder = tmp_path_factory.mktemp("begun")
    return stopped(recipe(folder), folder / "runs")


@pytest.fixture
def directory(begun, tmp_path):
    """A run of one epoch of two, to be resumed."""
    shutil.copytree(begun.path.parents[1], tmp_path / "runs")
    (tmp_path / "small.yaml").write_text(RECIPE, encoding="utf-8")
    return RunDir(tmp_path / "runs" / "small" / "001")


def planned(directory, *overrides):
    """What a comparison of the recipe makes of the run."""
    runs = directory.path.parents[1]
    return make_plan([runs.parent / "small.yaml"], runs=runs, overrides=overrides)


def rates(directory):
    return [epoch["learning_rate"] for epoch in directory.read_epochs()]


def changes_said(directory):
    return [text for text in directory.read_summary().warnings if text.startswith("The recipe was changed")]


def test_an_edited_recipe_is_refused_and_nothing_changes(directory):
    text = directory.recipe.read_text(encoding="utf-8").replace("lr: 0.01", "lr: 0.5")
    directory.recipe.write_text(text, encoding="utf-8")
    before = {path: path.read_bytes() for path in directory.path.rglob("*") if path.is_file()}
    message = "the recipe has been edited since the run began: optimizer.lr is 0.5, it was 0.01"
    with pytest.raises(SegkitError, match=message):
        list(resume(directory.path))
    assert {path: path.read_bytes() for path in directory.path.rglob("*") if path.is_file()} == before
    plan = planned(directory)
    assert plan.missing[0].resumable is None
    assert plan.notes == [
        f"{directory.path} is not resumed: its recipe has been edited (optimizer.lr is 0.5, it was 0.01)."
    ]


def test_more_epochs_are_recorded_and_part_of_the_identity(directory):
    started, *_ = resume(directory.path, ["training.epochs=3"])
    warning = (
        "The recipe was changed when the run was resumed after epoch 1: training.epochs is 3 instead of 2. "
        "The same recipe in a new run gives other results."
    )
    assert warning in started.warnings
    assert warning in directory.read_summary().warnings
    assert len(directory.read_epochs()) == directory.read_summary().epochs == 3
    (start,) = directory.read_environment().resumed
    assert (start.changes, start.after_epoch, start.after_steps) == ({"training.epochs": (2, 3)}, 1, 0)
    assert load_recipe(directory.recipe).training.epochs == 3
    assert directory.recipe.read_text(encoding="utf-8").startswith("# The decoder is given stage ")
    for epochs in (2, 3):
        (missing,) = planned(directory, f"training.epochs={epochs}").missing
        assert missing.resumable is None
    assert planned(directory).notes == [
        f"small, seed 3: {directory.path} began as this recipe and was resumed with changes; "
        "give its directory to include it."
    ]


@pytest.mark.slow
def test_a_change_stays_when_the_run_is_stopped_again(directory, tmp_path):
    stop = StopSignal()
    with pytest.raises(Interrupted):
        stop_after_an_epoch(resume(directory.path, ["training.epochs=4"], stop=stop), stop)
    list(resume(directory.path))
    (tmp_path / "whole").mkdir()
    whole, _ = finished(tmp_path / "whole", "training.epochs=4")
    assert rates(directory)[1:] == rates(whole)[1:]
    assert rates(directory)[0] != rates(whole)[0]  # of a schedule of two epochs


@pytest.mark.slow
def test_a_finished_run_is_trained_on_for_more_epochs(tmp_path):
    directory, _ = finished(tmp_path, CONSTANT)
    list(resume(directory.path, ["training.epochs=3"]))
    (tmp_path / "whole").mkdir()
    whole, _ = finished(tmp_path / "whole", CONSTANT, "training.epochs=3")
    for name in ("checkpoints/best.safetensors", "checkpoints/last.safetensors", "scores.csv"):
        assert (directory.path / name).read_bytes() == (whole.path / name).read_bytes()
    assert directory.read_environment().identity != whole.read_environment().identity
    for change in ("training.epochs=3", "data.workers=0"):
        with pytest.raises(SegkitError) as caught:
            list(resume(directory.path, [change]))
        (found,) = caught.value.problems
        assert found.problem == "this run is complete after 3 epochs: it can only be resumed for more"
        assert found.hint.startswith("--set training.epochs=N with N above 3, or a new run: ")
    (directory.checkpoints / "last.state.pt").unlink()
    with pytest.raises(SegkitError, match="its training state was not kept"):
        list(resume(directory.path, ["training.epochs=4"]))
    assert directory.summary.is_file()


def test_a_setting_that_changes_no_result_does_not_change_the_identity(directory):
    before = directory.read_environment().identity
    list(resume(directory.path, ["data.workers=0", "training.checkpoint_seconds=null"]))
    assert directory.read_environment().identity == before
    assert list(directory.read_environment().resumed[0].changes) == [
        "data.workers", "training.checkpoint_seconds",
    ]  # fmt: skip
    assert changes_said(directory) == planned(directory).missing == []


def test_a_setting_that_changes_rounding_changes_the_identity(directory):
    list(resume(directory.path, ["training.precision=bf16-mixed"]))
    assert directory.read_summary().precision == "bf16-mixed"
    assert len(planned(directory).missing) == 1


def test_a_change_before_anything_was_trained_makes_a_run_of_the_changed_recipe(directory):
    for file in directory.checkpoints.iterdir():
        file.unlink()
    list(resume(directory.path, ["training.epochs=1"]))
    assert changes_said(directory) == planned(directory, "training.epochs=1").missing == []


def test_another_change_is_refused(directory):
    with pytest.raises(SegkitError, match=r"--set cannot change optimizer\.lr of a run that has begun"):
        list(resume(directory.path, ["optimizer.lr=0.1"]))
    assert directory.read_environment().resumed == []

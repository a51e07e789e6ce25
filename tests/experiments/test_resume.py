"""A run that was stopped goes on, and ends as if it had never been."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from segkit.core.errors import Interrupted, SegkitError
from segkit.core.events import EpochEnded, RunEnded, RunStarted, StepEnded
from segkit.experiments.resume import resume
from segkit.experiments.run import run
from segkit.runs.run_dir import RunDir
from segkit.training.state_file import read_state, write_state
from segkit.utils.signals import StopSignal
from tests.small_runs import RECIPE, finished, recipe

OVERRIDES = (
    "training.ema_decay=0.9", "training.clip_grad_norm=1", "data.augment=[HorizontalFlip, {name: Rotate}]",
)  # fmt: skip
TIMES = ("seconds", "train_seconds", "images_per_second", "peak_memory_bytes")
SAME = (
    "checkpoints/best.safetensors", "checkpoints/last.safetensors", "scores.csv", "thumbnails.zip",
    "samples/samples.json", "recipe.yaml",
)  # fmt: skip
REPORT = {"curves.png", "scores.png", "report.html", "report.md", *(f"{n}_overlay.png" for n in range(1, 6))}
HOLD = """
import sys
from pathlib import Path
from segkit.runs.run_dir import RunDir
with RunDir(Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def unreported(monkeypatch):
    """For what is not about the report, which takes most of a small run's time."""
    monkeypatch.setattr("segkit.experiments.recorder.write_report", lambda directory: directory.report)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return finished(tmp_path_factory.mktemp("reference"), *OVERRIDES)[0]


def stopped(folder, when, *overrides):
    """A run that is asked to stop when it says a certain thing."""
    stop = StopSignal()
    running = run(recipe(folder, *OVERRIDES, *overrides), folder / "runs", stop=stop)
    with pytest.raises(Interrupted) as caught:
        stop_when(stop, when, running)
    return RunDir(folder / "runs" / "small" / "001"), caught.value.problems[0]


def stop_when(stop, when, running):
    for event in running:
        stop.requested |= when(event)


def outcome(directory):
    """All that must be the same, whatever happened on the way; the report, which is made of it, apart."""
    files = {name: (directory.path / name).read_bytes() for name in SAME}
    epochs = [
        {key: value for key, value in line.items() if key not in TIMES} for line in directory.read_epochs()
    ]
    summary = {key: value for key, value in directory.read_summary().model_dump().items() if key not in TIMES}
    names = {path.name for path in directory.path.rglob("*")} - REPORT
    return files, epochs, summary, names


def at(epoch, step):
    return lambda event: isinstance(event, StepEnded) and (event.epoch, event.step) == (epoch, step)


@pytest.mark.parametrize(
    ("when", "said"),
    [
        (at(1, 1), "stopped in epoch 1, after step 1 of 3; the state is saved"),
        pytest.param(
            at(2, 2), "stopped in epoch 2, after step 2 of 3; the state is saved", marks=pytest.mark.slow
        ),
        pytest.param(
            at(1, 3), "stopped in epoch 1, after step 3 of 3; the state is saved", marks=pytest.mark.slow
        ),
        (
            lambda event: isinstance(event, EpochEnded) and event.epoch == 1,
            "stopped after epoch 1; the state is saved",
        ),
        pytest.param(
            lambda event: isinstance(event, EpochEnded) and event.epoch == 2,
            "stopped after epoch 2; the state is saved",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_run_goes_on_exactly_from_where_it_was_stopped(unreported, tmp_path, reference, when, said):
    directory, problem = stopped(tmp_path, when)
    assert (problem.problem, problem.hint) == (said, f"segkit resume {directory.path}")
    with pytest.raises(SegkitError, match="this run has not ended") as caught:
        RunDir.open(directory.path)
    assert caught.value.problems[0].hint.startswith(f"segkit resume {directory.path} continues it")
    list(resume(directory.path))
    assert outcome(directory) == outcome(reference)


def test_stopped_while_an_epoch_is_scored(unreported, tmp_path, reference):
    stop = StopSignal()

    def on_progress(label, done, total):
        stop.requested |= label == "scoring test images"

    with pytest.raises(Interrupted, match="stopped in epoch 1, after step 3 of 3"):
        list(run(recipe(tmp_path, *OVERRIDES), tmp_path / "runs", on_progress, stop))
    directory = RunDir(tmp_path / "runs" / "small" / "001")
    assert directory.read_epochs() == []
    list(resume(directory.path))
    assert outcome(directory) == outcome(reference)


@pytest.mark.slow
def test_stopped_again_and_again(unreported, tmp_path, reference):
    directory, _ = stopped(tmp_path, lambda event: isinstance(event, StepEnded))
    for _ in range(5):
        stop = StopSignal()
        with pytest.raises(Interrupted):
            stop_when(stop, lambda event: isinstance(event, StepEnded), resume(directory.path, stop=stop))
    list(resume(directory.path))
    assert outcome(directory) == outcome(reference)
    assert len(directory.read_environment().resumed) == 6


@pytest.mark.slow
def test_training_on_windows_goes_on_exactly_after_a_kill_within_an_epoch(unreported, tmp_path):
    windows = (
        "data.size=[48, 32]", "data.fit=crop", "data.crop={foreground: 0.5}", "data.sample={epoch: 14}",
        "data.augment=[{name: Mosaic, p: 0.3}, {name: Rotate, limit: 90}]", "training.checkpoint_seconds=0",
    )  # fmt: skip
    reference, events = finished(tmp_path, *windows)
    assert [event.steps for event in events if isinstance(event, StepEnded)] == [4] * 8
    killed = run(recipe(tmp_path, *windows), tmp_path / "runs")
    for event in killed:
        if at(2, 3)(event):
            killed.close()  # before this step is saved
    directory = RunDir(tmp_path / "runs" / "small" / "002")
    (start, *after) = resume(directory.path)
    assert start.steps_done == 2
    assert [event.step for event in after if isinstance(event, StepEnded)] == [3, 4]
    assert outcome(directory) == outcome(reference)


def test_what_a_resumed_run_says(unreported, tmp_path):
    directory, _ = stopped(tmp_path, at(2, 1))
    events = list(resume(directory.path))
    assert [type(event) for event in events] == [RunStarted, StepEnded, StepEnded, EpochEnded, RunEnded]
    assert (events[0].epochs_done, events[0].steps_done) == (1, 1)
    assert [(event.epoch, event.step) for event in events[1:3]] == [(2, 2), (2, 3)]


def test_a_run_that_was_killed_before_it_saved_anything_begins_anew(unreported, tmp_path, reference):
    directory, _ = stopped(tmp_path, at(1, 1))
    for file in directory.checkpoints.iterdir():
        file.unlink()
    assert [type(event) for event in resume(directory.path)][:2] == [RunStarted, StepEnded]
    assert outcome(directory) == outcome(reference)


def test_a_damaged_state_is_told_and_the_one_before_is_used(tmp_path):
    directory, _ = stopped(tmp_path, at(2, 2))
    last = directory.checkpoints / "last.state.pt"
    last.write_bytes(last.read_bytes()[:-100])
    started = next(resume(directory.path))
    assert (started.epochs_done, started.steps_done) == (1, 0)
    assert started.warnings[-1].startswith("last.state.pt cannot be read (it is not a saved state")


@pytest.mark.parametrize(
    "change", ["learner", *(pytest.param(name, marks=pytest.mark.slow) for name in ("epochs", "model"))]
)
def test_a_state_of_something_else_is_named(tmp_path, change):
    directory, _ = stopped(tmp_path, at(1, 1))
    last = directory.checkpoints / "last.state.pt"
    state = read_state(last)
    if change == "model":
        state["learner"]["model"].popitem()
    else:
        del state[change]
    write_state(last, state)
    with pytest.raises(SegkitError, match="the saved state does not fit this model") as caught:
        list(resume(directory.path))
    problem = caught.value.problems[0]
    assert (problem.file, problem.hint) == (str(last), f"start a new run: segkit run {directory.recipe}")


@pytest.mark.slow
def test_a_run_that_has_ended_gets_its_report_again(tmp_path):
    directory, _ = finished(tmp_path)
    page = directory.report.read_bytes()
    directory.report.unlink()
    (ended,) = resume(directory.path)
    assert ended == RunEnded(directory.path, directory.read_summary(), directory.report)
    assert directory.report.read_bytes() == page


def test_what_is_no_run(tmp_path):
    with pytest.raises(SegkitError, match="this is not a run directory"):
        list(resume(tmp_path))


def test_other_images_are_refused(tmp_path):
    directory, _ = stopped(tmp_path, at(1, 1))
    told = json.loads(directory.environment.read_text())
    told["data_digests"] = dict.fromkeys(told["data_digests"], "0")
    directory.environment.write_text(json.dumps(told))
    message = "the train images and the test images have changed since the run started"
    with pytest.raises(SegkitError, match=message) as caught:
        list(resume(directory.path))
    hint = f"restore them, or start a new run: segkit run {directory.recipe}"
    assert (caught.value.problems[0].file, caught.value.problems[0].hint) == (str(directory.path), hint)


def test_other_weights_are_refused(tmp_path):
    directory, _ = stopped(tmp_path, at(1, 1))
    told = json.loads(directory.environment.read_text())
    directory.environment.write_text(json.dumps({**told, "encoder_digest": "0"}))
    with pytest.raises(
        SegkitError, match="the encoder's pretrained weights have changed since the run started"
    ):
        list(resume(directory.path))


def test_another_machine_is_told(tmp_path):
    directory, _ = stopped(tmp_path, at(1, 1))
    told = json.loads(directory.environment.read_text())
    told["packages"]["torch"], told["device"] = "2.0", "cpu, 999 threads"
    directory.environment.write_text(json.dumps(told))
    warning = next(resume(directory.path)).warnings[-1]
    assert warning.startswith(
        "The run was resumed on a different setup; scores may differ slightly: torch 2.0"
    )
    assert "cpu, 999 threads is now cpu, " in warning


def test_other_code_is_told(tmp_path):
    directory, _ = stopped(tmp_path, at(1, 1))
    told = json.loads(directory.environment.read_text())
    told["identity"]["code"] = "0"
    directory.environment.write_text(json.dumps(told))
    warning = next(resume(directory.path)).warnings[-1]
    assert warning.endswith("scores may differ slightly: segkit's own code has changed.")


def test_changed_plugins_are_refused(tmp_path, monkeypatch):
    directory, _ = stopped(tmp_path, at(1, 1))
    changed = ["The plugin thin has changed since the run."]
    monkeypatch.setattr("segkit.experiments.resume.read_run", lambda run, overrides, plugins: (None, changed))
    message = "the run cannot be resumed. The plugin thin has changed since the run."
    with pytest.raises(SegkitError, match=message) as caught:
        list(resume(directory.path))
    hint = f"restore the plugins, or start a new run: segkit run {directory.recipe}"
    assert caught.value.problems[0].hint == hint


def test_one_process_at_a_time(tmp_path):
    directory, _ = stopped(tmp_path, at(1, 1))
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(directory.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert other.stdout.readline() == b"held\n"
        done = subprocess.run(
            [sys.executable, "-m", "segkit", "resume", str(directory.path)], capture_output=True, text=True
        )
    finally:
        other.communicate()
    words = " ".join(done.stderr.split())
    assert done.returncode == 2
    assert f"{directory.path}: another process is working on this run: process {other.pid} on " in words
    assert "try: wait until it has ended, or stop it with Ctrl-C or kill: it saves its progress" in words


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_command_in_good_time(tmp_path, reference, number):
    file = tmp_path / "small.yaml"
    file.write_text(RECIPE)
    command = [sys.executable, "-m", "segkit", "run", str(file), "--runs", str(tmp_path / "runs")]
    for override in OVERRIDES:
        command += ["--set", override]
    # A shell ignores Ctrl-C for what it starts in the background.
    former = signal.signal(number, signal.SIG_DFL)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    signal.signal(number, former)
    directory = RunDir(tmp_path / "runs" / "small" / "001")
    while not (directory.metrics.is_file() and directory.metrics.stat().st_size):
        assert process.poll() is None
        time.sleep(0.002)
    os.kill(process.pid, number)
    said = " ".join(process.communicate()[1].split())
    assert process.returncode == 130
    assert "Traceback" not in said
    assert f"segkit resume {directory.path}" in said
    assert not directory.lock.exists()
    done = subprocess.run([sys.executable, "-m", "segkit", "resume", str(directory.path), "-q"], text=True)
    assert done.returncode == 0
    assert outcome(directory) == outcome(reference)
    for name in ("curves.png", "scores.png", "samples/1_overlay.png"):
        assert (directory.path / name).read_bytes() == (reference.path / name).read_bytes()

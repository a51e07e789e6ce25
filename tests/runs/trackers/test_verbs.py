"""`--track`, as users type it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from segkit.runs.run_dir import RunDir
from tests.cli.conftest import segkit as segkit
from tests.small_runs import RECIPE

pytest.importorskip("tensorboard")


@pytest.fixture
def run(tmp_path):
    """The words of a run, and its directory."""
    file = tmp_path / "small.yaml"
    file.write_text(RECIPE)
    words = ["run", str(file), "--runs", str(tmp_path / "runs"), "--no-plugins"]
    return words, RunDir(tmp_path / "runs" / "small" / "001")


def test_run_and_resume_say_where_to_look(segkit, run):
    words, directory = run
    said = segkit(*words, "--track", "tensorboard")
    place = f"tensorboard: {directory.path / 'tensorboard'}\n"
    assert (said.code, said.out) == (0, "")
    assert place in said.err
    assert said.err.index("run directory") < said.err.index(place) < said.err.index("epoch 1/2")
    again = segkit("resume", str(directory.path), "--track", "tensorboard", "--quiet")
    assert (again.code, again.out, again.err) == (0, "", "")
    assert len(list((directory.path / "tensorboard").iterdir())) == 2


def test_nothing_begins_with_an_unknown_tracker(segkit, run):
    words, directory = run
    said = segkit(*words, "--track", "tensorboard", "--track", "tensorbord")
    assert (said.code, said.out) == (2, "")
    assert said.err.endswith(
        "no tracker is called 'tensorbord'\n"
        "  try: did you mean 'tensorboard'? trackers: mlflow, tensorboard, wandb\n"
    )
    assert not directory.path.exists()


def test_of_several_processes_the_first_alone_tracks(segkit, run, monkeypatch):
    words, _ = run
    places = {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "2", "RANK": "1"}
    for name, value in {**places, "LOCAL_WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("segkit.experiments.run.run", lambda *_: iter(()))
    assert segkit(*words, "--track", "no such tracker").code == 0


def test_a_tracker_that_fails_is_told_of_even_where_nothing_else_is(segkit, run, monkeypatch):
    from segkit.runs.trackers.tensorboard import TensorBoard

    def fail(self, number, figures):
        raise OSError("the disk is gone")

    words, directory = run
    monkeypatch.setattr(TensorBoard, "epoch", fail)
    monkeypatch.setattr(TensorBoard, "close", lambda self, ending: None)
    said = segkit(*words, "--track", "tensorboard", "--quiet")
    assert said.code == 0
    assert said.err == (
        f"tensorboard failed and no longer tracks this run; segkit resume {directory.path} "
        "--track tensorboard sends the rest later: the disk is gone\n"
    )


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="asks /proc for what is left running")
def test_ctrl_c_reaches_all_and_leaves_nothing_running(run):
    """It reaches the whole foreground process group, W&B's own process too, if that were in it."""
    pytest.importorskip("mlflow")
    pytest.importorskip("wandb")
    words, directory = run
    words += ["--set", "training.epochs=200", "--set", "data.workers=2"]
    for name in ("tensorboard", "mlflow", "wandb"):
        words += ["--track", name]
    former = signal.signal(
        signal.SIGINT, signal.SIG_DFL
    )  # a shell ignores it for what runs in the background
    process = subprocess.Popen(
        [sys.executable, "-m", "segkit", *words], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    signal.signal(signal.SIGINT, former)
    while not (directory.metrics.is_file() and directory.metrics.stat().st_size):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    said = " ".join(process.communicate()[1].split())
    assert process.returncode == 130
    assert said.endswith(f"the state is saved try: segkit resume {directory.path}")
    assert "Traceback" not in said
    assert "has failed" not in said
    assert [one for one in commands() if f"--pid\0{process.pid}\0" in one] == []


def commands():
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield file.read_text(errors="replace")
        except OSError:
            continue

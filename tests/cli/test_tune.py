"""`segkit tune`: real trials, its output, and its errors."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import commands
from tests.small_runs import RECIPE, light_report

FAST = ["--set", "training.epochs=1", "--set", "data.source.val=4", "--set", "data.size=[32, 32]"]
SEARCH = ["--search", "optimizer.lr=log:1e-3..1e-1"]


@pytest.fixture
def folder(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (project / "small.yaml").write_text(RECIPE.replace("[iou, dice]", "[iou_soft, dice]"), encoding="utf-8")
    monkeypatch.setattr("segkit.experiments.tuning.tune.run_in_subprocesses", commands.here)
    monkeypatch.setattr("segkit.experiments.recorder.write_report", light_report)
    return project


@pytest.mark.slow
def test_trials_are_runs_and_the_same_command_goes_on(segkit: Any, folder: Path) -> None:
    command = ["tune", "small.yaml", *SEARCH, *FAST, "--sampler", "RandomSampler", "--trials"]
    said = segkit(*command, "2", "--json")
    assert (said.code, said.err) == (0, "")
    document = json.loads(said.out)
    runs = sorted(path.name for path in (folder / "runs/small").iterdir())
    assert runs == ["001", "002"]
    best = document["best"]
    summary = json.loads((folder / best["run"] / "summary.json").read_text(encoding="utf-8"))
    assert (
        best["score"] == summary["best"]["metrics"]["iou_soft"] == max(t["score"] for t in document["trials"])
    )
    assert document["test"]["metrics"] == summary["scores"]["metrics"]
    assert document["test"]["images"] == 5
    assert document["optimism"] == pytest.approx(best["score"] - summary["scores"]["metrics"]["iou_soft"])
    assert document["cost"]["epochs"] == 2

    said = segkit(*command, "3")
    assert said.code == 0
    assert "trials: 3, 2 of them have ended\njudged by: iou_soft on the validation images\n" in said.err
    assert "Starting the next trial\ntrial 2: optimizer" in said.err
    assert "trial 2: iou_soft 0." in said.err
    assert "On 5 test images, which no trial was judged by, the best trial has iou_soft 0." in said.out
    assert "Training took " in said.out
    assert "best recipe: tune/small/best.yaml\nits model: segkit predict runs/small/00" in said.out
    assert len([*(folder / "runs/small").iterdir()]) == 3

    chosen = (folder / "tune/small/best.yaml").read_text(encoding="utf-8")
    assert (
        "segkit tune chose optimizer.lr: the best of 3 trials by iou_soft on the validation images."
        in " ".join(chosen.split())
    )
    # The best recipe is that of a finished run. Another storage finds the runs again, and one that was killed
    # just before its end is ended in its directory.
    said = segkit("compare", "tune/small/best.yaml", "--no-measure", "--quiet")
    assert said.code == 0
    assert len([*(folder / "runs/small").iterdir()]) == 3
    (folder / "runs/small/002/summary.json").unlink()
    said = segkit(*command, "3", "--storage", "again.db", "--out", "again", "--json")
    again = json.loads(said.out)
    assert len([*(folder / "runs/small").iterdir()]) == 3
    assert (folder / "runs/small/002/summary.json").is_file()
    assert (again["cost"]["epochs"], again["cost"]["reused_runs"]) == (0, 3)
    assert [t["score"] for t in again["trials"]][:2] == [t["score"] for t in document["trials"]]
    page = (folder / "again/tune.html").read_text(encoding="utf-8")
    assert page.count('<a href="../runs/small/00') == 3

    # Another search of the recipe has a storage and a folder of its own; the storage of this one refuses it.
    other = ["tune", "small.yaml", "--search", "optimizer.lr=0.01,0.02", *FAST, "--trials", "1"]
    said = segkit(*other, "--storage", "again.db")
    assert (said.code, (folder / "tune/small-2").exists()) == (2, False)
    assert "again.db: the storage belongs to another study, small-" in said.err
    for taken, problem in (
        ("tune/small", "this folder has another search, small-"),
        ("runs", "this is not the folder"),
    ):
        said = segkit(*other, "--out", taken)
        assert (said.code, f"{taken}: {problem}" in said.err.replace("\\", "/")) == (2, True)
    said = segkit(*other[:-1], "3", "--out", "runs")
    assert "There are 2 different trials: no more are made" in said.err
    said = segkit(*other, "--quiet")
    assert said.code == 0, said.err
    (trial,) = json.loads((folder / "tune/small-2/tune.json").read_text(encoding="utf-8"))["trials"]
    assert trial["values"]["optimizer.lr"] in (0.01, 0.02)  # a number, as in a recipe
    assert len([*folder.glob("runs/small-*.tune.sqlite3")]) == 2


def test_a_space_that_does_not_work_is_told_before_anything_is_trained(segkit: Any, folder: Path) -> None:
    size = ["--set", "data.size=[40, 40]"]
    search = ["--search", "model.decoder=transposed_conv,unetplusplus", "--search", "optimizer.lr=0.01..0.1"]
    said = segkit("tune", "small.yaml", *search, *FAST, *size, "--trials", "2", "--quiet")
    assert said.code == 2
    assert said.err.startswith(
        "model.decoder=unetplusplus: unetplusplus on test_resnet does not work on images of 40x40"
    )
    assert not [*folder.glob("runs/small/*")]
    said = segkit("tune", "small.yaml", "--search", "optimizer.lrr=1..2", *FAST, "--trials", "2")
    assert said.code == 2
    assert "--search optimizer.lrr=1..2: optimizer.lrr: " in said.err
    said = segkit("tune", "small.yaml", *SEARCH, "--trials", "2")
    assert (
        "small.yaml: there are no validation images: the search would choose by the test images" in said.err
    )
    assert (
        "  try: --set 'data.split={by: fraction, val: 0.2}' sets a fifth of the training images aside"
        in said.err
    )


def test_a_password_in_the_command_line_is_hidden(
    segkit: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles: list[str] = []
    monkeypatch.setattr(
        "segkit.utils.process_title.set_process_title", lambda words: titles.append(" ".join(words)) or True
    )
    storage = "postgresql://me:s3cret@127.0.0.1:1/tune"
    said = segkit(
        "tune", "small.yaml", *SEARCH, *FAST, "--trials", "2", f"--storage={storage}", "--traceback"
    )
    assert said.code == 1
    assert "the storage cannot be used: " in said.err
    assert "--storage=postgresql://127.0.0.1:1/tune" in sys.argv
    assert "--storage=postgresql://127.0.0.1:1/tune" in titles[0]
    assert "s3cret" not in said.err + said.out + str(sys.argv) + str(titles)
    monkeypatch.setattr("segkit.utils.process_title.set_process_title", lambda words: False)
    said = segkit("tune", "small.yaml", *SEARCH, *FAST, "--trials", "2", "--storage", storage)
    assert "--storage: every user of this machine can read a password in a command line\n  try: '" in said.err
    assert "s3cret" not in said.err


def test_without_optuna_a_line_tells_how_to_get_it(segkit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segkit.cli.tune.find_spec", lambda name: None)
    said = segkit("tune", "quickstart", *SEARCH, "--trials", "2")
    assert (said.code, said.err) == (
        2,
        "segkit tune needs Optuna\n  try: pip install 'segkit-torch[tune]'\n",
    )

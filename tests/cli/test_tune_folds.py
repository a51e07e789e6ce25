"""`segkit tune --folds`: real folds, killed in one of them, and the best trial tested once."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests import commands
from tests.small_runs import RECIPE, light_report

COMMAND = [
    "tune", "small.yaml", "--folds", "2", "--search", "optimizer.lr=log:1e-3..1e-1", "--trials", "2",
    "--sampler", "RandomSampler", "--set", "training.epochs=4", "--set", "data.size=[32, 32]",
]  # fmt: skip


def say(folder: Path, *words: str) -> commands.Said:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("segkit.experiments.recorder.write_report", light_report)
        return commands.segkit([*words], folder, str(folder / "home"))


def runs(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "runs/small").iterdir())


def kill_in_second_fold(folder: Path) -> None:
    """Start the search, and end it and its run without a word, as a power cut does."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "SEGKIT_HOME": str(folder / "home"),
    }
    command = [sys.executable, "-m", "segkit", *COMMAND]
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as process:
        told: list[str] = []
        for line in process.stderr or ():
            told.append(line)
            if line.startswith("trial 0, fold 2 of 2: epoch 2/4"):
                break
        assert process.poll() is None, told
        started = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for one in started:
            one.kill()
        psutil.wait_procs(started)
    (storage,) = folder.glob("runs/*.tune.sqlite3")
    with sqlite3.connect(storage) as database:  # two minutes later
        database.execute("update trial_heartbeats set heartbeat = '2000-01-01 00:00:00'")


@pytest.mark.slow
def test_killed_in_a_fold_it_goes_on_and_the_winner_is_tested_once(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
        (folder / "small.yaml").write_text(RECIPE.replace("[iou, dice]", "[iou_soft, dice]"))
    expected = json.loads(say(whole, *COMMAND, "--json").out)

    kill_in_second_fold(cut)
    assert runs(cut) == ["001", "002"]
    first = (cut / "runs/small/001/summary.json").read_bytes()
    said = say(cut, *COMMAND, "--json")
    assert (said.code, said.err) == (0, "")
    document = json.loads(said.out)
    assert runs(cut) == runs(whole) == ["001", "002", "003", "004"]
    assert (cut / "runs/small/001/summary.json").read_bytes() == first  # not trained again
    scores = [
        [(trial["values"], trial["score"], [fold["score"] for fold in trial["folds"]]) for trial in each]
        for each in (document["trials"], expected["trials"])
    ]
    assert scores[0] == scores[1]
    assert document["test"] == expected["test"]
    assert (document["test"]["images"], document["images"], document["folds"]) == (5, 10, 2)
    assert document["cost"]["epochs"] >= 2 * 2 * 4

    # The best recipe is that of a finished cross-validation, whose mean has this test score.
    said = say(cut, "cv", "tune/small/best.yaml", "--folds", "2", "--json")
    assert runs(cut) == ["001", "002", "003", "004"]
    pooled = json.loads(said.out)["pooled"]["metrics"]["iou_soft"]["mean"]
    assert pooled == pytest.approx(document["best"]["score"], abs=1e-12)
    evaluated = json.loads(say(cut, "evaluate", "cv/small", "--split", "test", "--json").out)
    assert evaluated["metrics"] == document["test"]["metrics"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("segkit.inference.evaluation.mean_scores.score_on_test", None)  # is told, not scored
        said = say(cut, *COMMAND)
    assert said.code == 0, said.err
    assert "judged by: iou_soft on 10 images, each out of its fold of 2" in said.err
    assert (
        "On 5 test images, which are in no fold, the mean of the 2 models of the best trial has" in said.out
    )
    assert runs(cut) == ["001", "002", "003", "004"]

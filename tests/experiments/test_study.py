"""Recipes are trained, measured and compared; what is there already is not made again."""

import json
import os
import subprocess
import sys
import time

import pytest

from segkit import DECODERS, compare
from segkit.core.errors import SegkitError, TrainingError
from segkit.core.events import RunEnded
from segkit.core.plugins import loading as load
from segkit.experiments.study_events import Measured, StudyPlanned, StudyProgressed
from segkit.runs.run_dir import RunDir
from tests import commands
from tests.experiments.benchmark.costs import DECODER
from tests.small_runs import RECIPE

FAST = ["training.epochs=1", "metrics=[iou_soft, dice]"]  # a score that is not 0 after one epoch
VARY = ["model.decoder=transposed_conv,thin"]
NAMES = {"small-transposed_conv", "small-thin"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    (folder / "small.yaml").write_text(RECIPE, encoding="utf-8")
    (folder / "thin.py").write_text(DECODER, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def events(folder):
    """What the first comparison says."""
    said = []
    with pytest.MonkeyPatch.context() as patch:  # the plugin is gone again before the first test begins
        patch.setattr(load, "_loaded", dict(load._loaded))
        made = compare(
            [folder / "small.yaml"], overrides=FAST, vary=VARY, runs=folder / "runs", out=folder / "out",
            jobs=2, plugins=[folder / "thin.py"], watch=said.append,
        )  # fmt: skip
        DECODERS.remove("thin")
    return [*said, made]


@pytest.fixture
def here(monkeypatch):
    """No processes for what is not about them."""
    for module in commands.STUDIES:
        monkeypatch.setattr(f"segkit.experiments.{module}.run_in_subprocesses", commands.here)


def again(folder, **options):
    said = []
    made = compare(
        [folder / "small.yaml"],
        overrides=FAST,
        vary=VARY,
        runs=folder / "runs",
        plugins=[folder / "thin.py"],
        watch=said.append,
        **options,
    )
    return said, made


@pytest.mark.slow
def test_what_is_missing_is_trained_and_measured(folder, events):
    planned = events[0]
    assert isinstance(planned, StudyPlanned)
    assert (planned.finished, planned.missing, planned.jobs) == (
        [], ["small-transposed_conv, seed 3", "small-thin, seed 3"], 2,
    )  # fmt: skip
    ended = [
        one.number for one in events if isinstance(one, StudyProgressed) and isinstance(one.event, RunEnded)
    ]
    assert sorted(ended) == [1, 2]
    assert [one.number for one in events if isinstance(one, Measured)] == [1, 2]
    comparison = events[-1]
    assert {candidate.name for candidate in comparison.candidates} == NAMES
    assert all(candidate.costs.latency_ms and candidate.costs.macs for candidate in comparison.candidates)
    assert {path.name for path in (folder / "out").iterdir()} == {
        "comparison.html", "comparison.md", "comparison.csv", "comparison.json",
    }  # fmt: skip


@pytest.mark.slow
def test_nothing_finished_is_made_again_and_the_result_is_the_same(folder, events):
    said, made = again(folder)
    assert [type(event).__name__ for event in said] == ["StudyPlanned", "Compared"]
    assert len(said[0].finished) == 2
    assert made.as_json() == events[-1].as_json()


@pytest.mark.slow
def test_costs_of_a_run_are_measured_when_asked_for(folder, events, here):
    run, said = folder / "runs/small-thin/001", []
    before = (run / "costs.json").read_bytes()
    compare(run, watch=said.append)  # one target needs no list
    assert [one for one in said if isinstance(one, Measured)] == []
    compare([run], measure=True, plugins=[folder / "thin.py"], watch=said.append)
    assert [one.name for one in said if isinstance(one, Measured)] == ["small-thin"]
    assert (run / "costs.json").read_bytes() != before


@pytest.mark.slow
def test_a_failing_recipe_is_told_after_the_others_have_ended(folder, tmp_path, here):
    # A rate that no network survives: it is found while training, not before.
    with pytest.raises(TrainingError) as raised:
        compare(
            [folder / "small.yaml"], overrides=[*FAST, "training.clip_grad_norm=null"],
            vary=["optimizer.lr=0.01,1e30"], runs=tmp_path, measure=False,
        )  # fmt: skip
    first, last = raised.value.problems[0], raised.value.problems[-1]
    assert first.problem.startswith("small-lr_1e30, seed 3: the loss is nan in epoch 1")
    assert last.problem == "1 of 2 runs is finished; repeat the command to continue with the others"
    assert len(list(tmp_path.glob("*/001/summary.json"))) == 1


@pytest.mark.slow
def test_what_is_wrong_with_any_recipe_is_told_before_the_first_is_trained(folder, tmp_path, here):
    with pytest.raises(SegkitError) as raised:
        compare(
            [folder / "small.yaml"], overrides=[*FAST, "data.size=[40, 40]"],
            vary=["model.decoder=transposed_conv,unetplusplus,linknet"], runs=tmp_path,
        )  # fmt: skip
    problems = [problem.problem for problem in raised.value.problems]
    assert problems == [
        f"small-{name}: {name} on test_resnet does not work on images of 40x40"
        for name in ("unetplusplus", "linknet")
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on_where_it_stopped(folder, events):
    command = [
        sys.executable, "-m", "segkit", "compare", "small.yaml", "--vary", VARY[0], "--set", FAST[0],
        "--set", FAST[1], "--runs", "killed", "--out", "again", "--no-measure", "--plugins", "thin.py",
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # as where two are trained at once
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as started:
        for line in started.stderr:
            if line == "1/2 small-transposed_conv, seed 3: done, 1 of 2\n":
                break  # the other one is about to begin
        started.kill()
    first = folder / "killed/small-transposed_conv/001/summary.json"
    ended = first.stat().st_mtime_ns
    begun = folder / "killed/small-thin/001/recipe.yaml"
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as started:
        while not begun.is_file():
            assert started.poll() is None
            time.sleep(0.01)
        started.kill()
    while not RunDir(begun.parent).is_free():  # its own process hears of it when it next says something
        time.sleep(0.01)
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    finished = "killed/small-transposed_conv/001"
    assert f"finished runs: 1, not trained again: {finished}\nruns to train: 1" in done.stderr
    assert [path.name for path in (folder / "killed/small-thin").iterdir()] == ["001"]
    assert first.stat().st_mtime_ns == ended
    assert len(list(folder.glob("killed/small-transposed_conv/*"))) == 1
    killed = json.loads((folder / "again/comparison.json").read_text(encoding="utf-8"))
    whole = json.loads((folder / "out/comparison.json").read_text(encoding="utf-8"))
    assert killed["pairs"] == whole["pairs"]
    assert whole["pairs"][0]["difference"] != 0
    assert [place["metrics"] for place in killed["ranking"]] == [
        place["metrics"] for place in whole["ranking"]
    ]

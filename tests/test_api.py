"""segkit from Python."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import segkit
from segkit.core.events import EpochEnded, RunEnded
from tests.small_runs import RECIPE, recipe, unreported


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return unreported(tmp_path_factory.mktemp("api"))[0]


@pytest.mark.slow
def test_a_recipe_is_run_and_its_model_loaded(tmp_path):
    file = tmp_path / "small.yaml"
    file.write_text(RECIPE)
    heard = []
    run = segkit.run(file, overrides=["training.epochs=1"], runs=tmp_path / "runs", on_event=heard.append)
    assert run.path == tmp_path / "runs/small/001"
    assert [type(event) for event in heard if isinstance(event, EpochEnded | RunEnded)] == [
        EpochEnded,
        RunEnded,
    ]
    predictor = segkit.load(run)
    assert predictor.info.scores == run.read_summary().scores.metrics
    assert predictor.predict(np.zeros((90, 120, 3), np.uint8)).mask.shape == (90, 120)


@pytest.mark.slow
def test_a_loaded_recipe_is_run_as_it_is(tmp_path):
    loaded = recipe(tmp_path, "training.epochs=1")
    assert segkit.run(loaded, runs=tmp_path / "runs").read_summary().epochs == 1
    with pytest.raises(segkit.SegkitError) as caught:
        segkit.run(loaded, overrides=["training.epochs=2"])
    assert str(caught.value) == (
        "overrides and plugins need a recipe file, but this recipe is already loaded\n"
        "  try: pass them to load_recipe(file, overrides, plugins)"
    )


@pytest.mark.slow
def test_models_are_loaded_by_path_and_by_directory(run):
    image = np.full((70, 70, 3), 90, np.uint8)
    answers = [
        segkit.load(one).predict(image).probabilities for one in (run, run.path, str(run.path), [run, run])
    ]
    for answer in answers[1:]:
        np.testing.assert_allclose(answer, answers[0], atol=1e-6)


def test_a_pt2_file_is_not_loaded_and_torch_is_not_asked():
    program = (
        "import sys, segkit\n"
        "try: segkit.load('model.pt2')\n"
        "except segkit.SegkitError as error: print(error, 'torch' in sys.modules, sep='\\n')"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == (
        "model.pt2: segkit writes .pt2 files and does not read them\n"
        "  try: the run directory that it was exported from, or an .onnx file of that run to predict with; "
        "torch.export.load opens a .pt2 file\n"
        "False\n"
    )


def test_what_is_no_model_is_told(tmp_path):
    with pytest.raises(segkit.SegkitError, match="this is not a run directory"):
        segkit.load(tmp_path)
    with pytest.raises(segkit.SegkitError, match="no model given"):
        segkit.load([])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda file: segkit.load_recipe(file, ["training.epoch"]), "override 'training.epoch': it does not"),
        (
            lambda file: segkit.load_recipe(file, ["loss=dicee"]),
            "segkit.LOSSES.names() lists all; parts of a",
        ),
        (lambda file: segkit.compare(file, vary="seed=1,2"), "try: seeds=[0, 1, 2]"),
        (lambda file: segkit.load(file.with_suffix(".onnx"), accelerator="cuda"), "use accelerator='auto'"),
    ],
)
def test_errors_speak_of_arguments_in_python_and_of_options_on_the_command_line(
    call, message, tmp_path, monkeypatch
):
    file = tmp_path / "small.yaml"
    file.write_text(RECIPE)
    for program, of_options in (("mine.py", False), ("/bin/segkit", True), ("/a/segkit/__main__.py", True)):
        monkeypatch.setattr(sys, "argv", [program])
        with pytest.raises(segkit.SegkitError) as caught:
            call(file)
        assert (message in str(caught.value)) is not of_options
        assert ("--" in str(caught.value)) is of_options


def test_asking_for_the_verbs_imports_no_torch():
    program = "import sys, segkit; segkit.load, segkit.run, segkit.Predictor; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"

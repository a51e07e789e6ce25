"""Commands on a run that was stopped."""

import json

import pytest
from PIL import Image

from tests.small_runs import finished

pytestmark = pytest.mark.slow

WORDS = "This run has not ended: it was stopped after epoch 1 of 1."


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """As a run is left that was killed before it was scored."""
    folder = tmp_path_factory.mktemp("stopped")
    directory, _ = finished(folder, "training.epochs=1")
    directory.remove_results()
    Image.new("RGB", (64, 64)).save(folder / "photo.png")
    return directory


def test_report(segkit, stopped):
    said = segkit("report", str(stopped.path))
    assert (said.code, said.out) == (0, f"Report: {stopped.report}\n")
    assert WORDS in " ".join(said.err.split())


@pytest.mark.parametrize("verb", ["report", "resume"])
def test_what_a_kill_during_the_report_left_is_removed(segkit, tmp_path, verb):
    directory, _ = finished(tmp_path, "training.epochs=1")
    names = {path.name for path in directory.path.iterdir()}
    for name in (".lock", ".curves.png.99", ".report.html.99"):
        (directory.path / name).touch()
    directory.report.unlink()
    assert segkit(verb, str(directory.path)).code == 0
    assert {path.name for path in directory.path.iterdir()} == names


def test_predict_and_evaluate(segkit, stopped, tmp_path):
    photo = stopped.path.parents[2] / "photo.png"
    for words in (["predict", str(stopped.path), str(photo), "--out", str(tmp_path)],
                  ["evaluate", str(stopped.path)]):  # fmt: skip
        said = segkit(*words, "--json")
        assert said.code == 0, said.err
        warnings = [text for text in json.loads(said.out)["warnings"] if "is never predicted" not in text]
        assert [text[: len(WORDS)] for text in warnings] == [WORDS]


def test_an_export_says_how_to_end_the_run(segkit, stopped, tmp_path):
    said = segkit("export", str(stopped.path), "--format", "onnx", "--out", str(tmp_path / "a.onnx"))
    assert said.code == 2
    hint = f"segkit resume {stopped.path} continues it; with --set training.epochs=1 it ends now"
    assert hint in " ".join(said.err.split())


def test_processes_of_one_run_do_not_take_each_other_for_another(segkit, stopped, monkeypatch):
    monkeypatch.setattr("segkit.experiments.resume.resume", lambda *_, **__: iter(()))
    with stopped.locked():
        assert "another process is working on this run" in segkit("resume", str(stopped.path)).err
        monkeypatch.setattr("segkit.training.distributed.rank.is_worker", lambda: True)
        assert segkit("resume", str(stopped.path)).code == 0

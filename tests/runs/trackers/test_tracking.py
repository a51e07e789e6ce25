"""What holds for every tracker, tried with ones that are made for it."""

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from segkit.core.errors import Interrupted, SegkitError
from segkit.core.events import EpochEnded
from segkit.runs.trackers import TRACKERS, tracking
from segkit.runs.trackers.run_ids import read_run_id, write_run_id
from tests.runs.trackers.cases import followed, gone_on, stopped
from tests.small_runs import unreported

room = sys.modules["segkit.runs.trackers.follow"]


@dataclass
class Made:
    """A tracker that writes down what it is told, and fails where it should."""

    fails: str = ""
    heard: list = field(default_factory=list)
    hint: str = "call the server's owner"

    def __call__(self):
        return self.take("made")

    def begin(self, run):
        self.take("begin", run.name, sorted(run.epochs))
        return "over there"

    def epoch(self, number, figures):
        self.take("epoch", number, sorted(figures))

    def end(self, run, figures):
        self.take("end", run.name, sorted(figures))

    def close(self, ending):
        self.take("close", ending)

    def take(self, what, *words):
        self.heard.append((what, *words))
        if what == self.fails:
            raise ConnectionError("nobody\n  answers")
        return self


@pytest.fixture
def made(monkeypatch):
    """Trackers by name."""
    trackers = {"good": Made(), "bad": Made()}
    monkeypatch.setattr(room, "_tracker_class", trackers.__getitem__)
    return trackers


FIGURES = sorted(
    [
        "train_loss",
        "val_loss",
        "iou",
        "dice",
        "learning_rate",
        "seconds",
        "train_seconds",
        "images_per_second",
    ]
)
FINAL = ["best/dice", "best/epoch", "best/iou", "scores/dice", "scores/iou"]


def test_what_a_tracker_hears_of_a_run(tmp_path, made):
    followed(tmp_path, ["good", "good"])
    assert made["good"].heard == [
        ("made",),
        ("begin", "small/001", []),
        ("epoch", 1, FIGURES),
        ("epoch", 2, FIGURES),
        ("end", "small/001", FINAL),
        ("close", "complete"),
    ]
    assert made["bad"].heard == []


def test_what_it_hears_of_one_that_goes_on(tmp_path, made):
    directory = stopped(tmp_path, ["good"])
    assert made["good"].heard[-1] == ("close", "interrupted")
    made["good"].heard.clear()
    assert gone_on(directory, ["good"]) == ["good: over there"]
    assert made["good"].heard[1:-2] == [("begin", "small/001", [1]), ("epoch", 2, FIGURES)]


def test_what_it_hears_of_one_that_has_ended(tmp_path, made):
    directory = followed(tmp_path, [])
    gone_on(directory, ["good"])
    assert made["good"].heard[1:] == [
        ("begin", "small/001", [1, 2]), ("end", "small/001", FINAL), ("close", "complete"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "ending"),
    [(ValueError, "failed"), (KeyboardInterrupt, "interrupted"), (Interrupted, "interrupted")],
)
def test_how_it_ended(made, error, ending):
    with pytest.raises(error), tracking(["good"]):
        raise error("stop")
    assert made["good"].heard == [("made",), ("close", ending)]


@pytest.mark.slow
@pytest.mark.parametrize("fails", ["epoch", "end", "close"])
def test_one_that_fails_is_told_of_once_and_left_out(tmp_path, made, fails):
    made["bad"].fails = fails
    (tmp_path / "plain").mkdir()
    plain, _ = unreported(tmp_path / "plain")
    told = []
    directory = followed(tmp_path, ["bad", "good"], warn=told.append)
    later = f"segkit resume {directory.path} --track bad sends the rest later"
    assert told == [f"bad failed and no longer tracks this run; {later}: nobody answers"]
    assert made["bad"].heard[-1][0] == fails
    assert made["good"].heard[-1] == ("close", "complete")
    for name in ("best", "last"):
        weights = f"checkpoints/{name}.safetensors"
        assert (directory.path / weights).read_bytes() == (plain.path / weights).read_bytes()
    assert directory.scores.read_bytes() == plain.scores.read_bytes()


def test_one_that_has_failed_hears_no_more(made):
    made["bad"].fails, told = "epoch", []
    with tracking(["bad", "good"], warn=told.append) as on_event:
        for number in (1, 2):
            on_event(EpochEnded(number, 0.5, 0.5, {}, 0.001, 2.0, 1.0, 8.0, best=False))
    assert told == ["bad failed and no longer tracks this run: nobody answers"]
    assert [what for what, *_ in made["bad"].heard] == ["made", "epoch"]
    assert [what for what, *_ in made["good"].heard] == ["made", "epoch", "epoch", "close"]


def test_one_that_fails_before_anything_is_trained(tmp_path, made):
    made["bad"].fails = "begin"
    with pytest.raises(SegkitError, match="the tracker cannot be set up: nobody answers") as caught:
        followed(tmp_path, ["good", "bad"])
    directory = tmp_path / "runs" / "small" / "001"
    problem = caught.value.problems[0]
    assert problem.file == "--track bad"
    assert problem.hint == f"call the server's owner; segkit resume {directory} continues without --track bad"
    assert caught.value.exit_code == 2
    assert made["good"].heard[-1] == ("close", "failed")
    assert (directory / "metrics.jsonl").read_text() == ""


def test_one_that_cannot_be_made(made):
    made["bad"].fails = "made"
    with pytest.raises(SegkitError, match="the tracker cannot be set up: nobody answers") as caught:
        tracking(["good", "bad"]).__enter__()
    assert caught.value.problems[0].hint == "call the server's owner"
    assert made["good"].heard[-1] == ("close", "failed")


@pytest.mark.slow
def test_all_of_them_leave_the_weights_alone(tmp_path, monkeypatch):
    for name in TRACKERS:
        pytest.importorskip(name)
    (tmp_path / "plain").mkdir()
    plain, _ = unreported(tmp_path / "plain")
    directory = followed(tmp_path, [*TRACKERS])
    for name in ("checkpoints/best.safetensors", "checkpoints/last.safetensors", "scores.csv", "recipe.yaml"):
        assert (directory.path / name).read_bytes() == (plain.path / name).read_bytes()


def test_unknown_names_are_told_before_any_is_set_up(monkeypatch):
    with pytest.raises(SegkitError, match="no tracker is called 'tensorbord'") as caught:
        tracking(["tensorbord"]).__enter__()
    hint = "did you mean 'tensorboard'? trackers: mlflow, tensorboard, wandb"
    assert caught.value.problems[0].hint == hint
    with pytest.raises(SegkitError, match="no tracker is called 'neptune'") as caught:
        tracking(["neptune"]).__enter__()
    assert caught.value.problems[0].hint == "trackers: mlflow, tensorboard, wandb"


@pytest.mark.parametrize("name", TRACKERS)
def test_one_that_is_not_installed(monkeypatch, name):
    monkeypatch.delitem(sys.modules, f"segkit.runs.trackers.{name}", raising=False)
    for module in [one for one in sys.modules if one == name or one.startswith(f"{name}.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "meta_path", [_Lacking(name), *sys.meta_path])
    with pytest.raises(SegkitError, match=f"{name} is not installed") as caught:
        tracking([name]).__enter__()
    problem = caught.value.problems[0]
    assert (problem.file, problem.hint) == (f"--track {name}", f"python -m pip install {name}")


class _Lacking:
    """No package of this name is found."""

    def __init__(self, name):
        self.name = name

    def find_spec(self, name, *_):
        if name == self.name:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def test_one_that_cannot_be_imported(monkeypatch):
    def fail(name):
        raise ImportError("it needs another protobuf")

    monkeypatch.setattr(room, "import_module", fail)
    with pytest.raises(SegkitError, match="wandb cannot be imported: it needs another protobuf"):
        tracking(["wandb"]).__enter__()


def test_the_command_line_imports_none_of_them():
    code = "import sys, segkit.cli, segkit.runs.trackers; print([n for n in %r if n in sys.modules])" % [
        *TRACKERS
    ]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_names_are_kept_with_the_run(tmp_path):
    directory = followed(tmp_path, [])
    assert read_run_id(directory, "wandb") is None
    write_run_id(directory, "wandb", "a1")
    write_run_id(directory, "mlflow", "b2")
    assert (read_run_id(directory, "wandb"), read_run_id(directory, "mlflow")) == ("a1", "b2")


@pytest.mark.slow
@pytest.mark.parametrize("content", ["[1]", '{"wandb": 1}', '{"wandb": "../../else"}', "{"])
def test_a_damaged_file_of_names_is_refused(tmp_path, content):
    directory = followed(tmp_path, [])
    file = Path(directory.path / "tracking.json")
    file.write_text(content)
    with pytest.raises(SegkitError, match="the file is damaged") as caught:
        read_run_id(directory, "wandb")
    problem = caught.value.problems[0]
    assert problem.file == str(file)
    assert problem.hint == "delete the file: trackers then start a new run"

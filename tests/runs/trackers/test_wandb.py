import json

import pytest

from segkit.core.errors import SegkitError
from segkit.runs.trackers import tracking
from tests.runs.trackers.cases import epochs_of, followed, gone_on, stopped
from tests.runs.trackers.wandb_files import Offline

pytestmark = pytest.mark.slow

pytest.importorskip("wandb", reason="its files are read back with it")


def written(folder):
    return [Offline(one) for one in sorted((folder / "wandb").glob("offline-run-*"))]


def curve(offline, name):
    return [(row["_step"], row[name]) for row in offline.history]


def expected(directory, name):
    return [*enumerate(epochs_of(directory, name), start=1)]


def test_configuration_history_and_summary(tmp_path):
    directory = followed(tmp_path, ["wandb"])
    (offline,) = written(tmp_path)
    assert (offline.name, offline.project, offline.exit_code) == ("small/001", "segkit", 0)
    assert json.loads((directory.path / "tracking.json").read_text()) == {"wandb": offline.identifier}
    assert (offline.config["optimizer.lr"], offline.config["seed"]) == (0.01, 3)
    assert offline.config["run_directory"] == str(directory.path.resolve())
    for name in ("train_loss", "val_loss", "learning_rate", "seconds", "iou", "dice"):
        assert curve(offline, name) == expected(directory, name)
    summary = directory.read_summary()
    assert offline.summary["scores/iou"] == summary.scores.metrics["iou"]
    assert offline.summary["best/epoch"] == summary.best.epoch
    assert {"report.html", "summary.json", "recipe.yaml"} <= offline.files
    kept = offline.folder / "files" / "report.html"
    assert not kept.is_symlink()
    assert kept.read_text() == directory.report.read_text()


def test_a_run_that_goes_on_has_the_same_name_and_all_epochs(tmp_path):
    """Offline, nobody knows what has been sent: the last folder is complete, and is the one to send."""
    directory = stopped(tmp_path, ["wandb"])
    (before,) = written(tmp_path)
    assert before.exit_code == 255
    assert curve(before, "iou") == expected(directory, "iou")
    (said,) = gone_on(directory, ["wandb"])
    _, offline = written(tmp_path)
    assert said == f"wandb: wandb sync {offline.folder}"
    assert (offline.identifier, offline.exit_code) == (before.identifier, 0)
    assert curve(offline, "iou") == expected(directory, "iou")


@pytest.mark.parametrize(("there", "sent"), [(2, [2]), (3, [])])
def test_online_what_is_there_is_not_sent_again(tmp_path, monkeypatch, there, sent):
    """W&B says at which step a run goes on. No server is asked here."""
    from segkit.runs.trackers import wandb as ours

    directory = followed(tmp_path, [])
    logged = []

    class Run:
        step, resumed, offline, url = there, True, False, "https://wandb.ai/me/segkit/runs/1"

        def __init__(self):
            self.summary = {}

        def log(self, figures, step):
            logged.append(step)

        def save(self, *_, **__): ...

        def finish(self, exit_code): ...

    monkeypatch.setattr(ours.wandb, "init", lambda **_: Run())
    assert gone_on(directory, ["wandb"]) == ["wandb: https://wandb.ai/me/segkit/runs/1"]
    assert logged == sent


def test_nobody_is_logged_in(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SegkitError, match="the tracker cannot be set up: No API key configured") as caught:
        tracking(["wandb"]).__enter__()
    problem = caught.value.problems[0]
    assert (problem.file, problem.hint) == ("--track wandb", "wandb login, or WANDB_MODE=offline")


def test_disabled_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    directory = followed(tmp_path, [])
    assert gone_on(directory, ["wandb"]) == ["wandb: is disabled"]

"""Every option of `training` does what it says, or says that it cannot."""

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from segkit.core.errors import TrainingError
from segkit.core.events import EpochEnded
from segkit.experiments.run import run
from segkit.training.state_file import read_state
from tests.small_runs import finished, recipe, unreported


@pytest.fixture(autouse=True)
def nondeterministic_again():
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [
        ("32-true", torch.float32),
        ("bf16-mixed", torch.float32),
        ("bf16-true", torch.bfloat16),
        ("64-true", torch.float64),
    ],
)
def test_precisions_of_a_cpu(tmp_path, precision, dtype):
    directory, events = unreported(
        tmp_path, f"training.precision={precision}", "model.encoder.frozen=true", "training.ema_decay=0.5"
    )
    summary = directory.read_summary()
    assert events[0].precision == summary.precision == precision
    assert summary.frozen_encoder.unchanged is True
    assert summary.scores.metrics == summary.best.metrics
    weights = load_file(directory.checkpoints / "best.safetensors")
    assert weights["head.weight"].dtype == dtype


def test_average_is_what_is_kept_and_scored(tmp_path):
    directory, _ = unreported(tmp_path, "training.ema_decay=0.9")
    last = load_file(directory.checkpoints / "last.safetensors")
    state = read_state(directory.checkpoints / "last.state.pt")["learner"]
    assert torch.equal(last["head.weight"], state["average"]["module.head.weight"])
    assert not torch.equal(last["head.weight"], state["model"]["head.weight"])
    assert state["average"]["n_averaged"] == 6
    summary = directory.read_summary()
    assert summary.scores.metrics == summary.best.metrics


@pytest.mark.slow
def test_the_average_of_a_short_run_has_learnt(tmp_path):
    scores = {}
    for decay in ("null", "0.99"):
        folder = tmp_path / decay
        folder.mkdir()
        _, events = unreported(
            folder, f"training.ema_decay={decay}", "training.epochs=4", "schedule=constant"
        )
        scores[decay] = events[-1].summary.best.metrics["iou"]
    assert scores["0.99"] > 0.5 * scores["null"] > 0.05


def test_early_stopping_ends_the_run(tmp_path):
    directory, events = unreported(
        tmp_path, "training.epochs=9", "training.early_stopping_epochs=1", "optimizer.lr=1e-12"
    )
    summary = directory.read_summary()
    epochs = [event for event in events if isinstance(event, EpochEnded)]
    assert summary.epochs == len(epochs) == summary.best.epoch + 1 < summary.epochs_asked == 9


def test_select_last_makes_the_last_epoch_the_result(tmp_path):
    directory, events = finished(
        tmp_path, "training.select=last", "optimizer.lr=1000", "schedule=constant", "data.size=[32, 32]"
    )
    epochs = [event for event in events if isinstance(event, EpochEnded)]
    summary, weights = directory.read_summary(), directory.checkpoints
    assert (weights / "best.safetensors").read_bytes() == (weights / "last.safetensors").read_bytes()
    assert summary.best.epoch == summary.last.epoch == 2
    assert summary.scores.metrics == epochs[-1].metrics
    assert not any("optimistic" in warning or "best" in warning for warning in summary.warnings)
    report = directory.report.with_suffix(".md").read_text(encoding="utf-8")
    assert "Last epoch 2 of 2, not chosen by a score" in report
    assert "est epoch" not in report
    directory.summary.unlink()
    stopped = directory.read_summary()
    assert stopped.best.epoch == 2
    assert "those of epoch 2, the last so far" in stopped.warnings[0]


@pytest.mark.slow
@pytest.mark.parametrize("ema_decay", [None, 0.9])
def test_compile_is_of_the_trained_and_of_the_scored_model(tmp_path, monkeypatch, ema_decay):
    compiled = []
    original = nn.Module.compile

    def plain(model):
        compiled.append(model)
        original(model, backend="eager")

    monkeypatch.setattr(nn.Module, "compile", plain)
    average = [f"training.ema_decay={ema_decay}"] if ema_decay else []
    directory, _ = unreported(tmp_path, "training.compile=true", "training.epochs=1", *average)
    assert len(compiled) == len({id(model) for model in compiled}) == 1 + len(average)
    assert "head.weight" in load_file(directory.checkpoints / "best.safetensors")
    summary = directory.read_summary()
    assert summary.scores.metrics == summary.best.metrics


@pytest.mark.slow
def test_model_that_cannot_be_compiled(tmp_path, monkeypatch):
    def broken(graph, inputs):
        raise ValueError("no compiler here")

    original = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda model: original(model, backend=broken))
    with pytest.raises(
        TrainingError, match=r"training\.compile: the model cannot be compiled: .*no compiler here"
    ):
        list(run(recipe(tmp_path, "training.compile=true"), tmp_path / "runs"))


@pytest.mark.slow
@pytest.mark.parametrize("override", ["training.channels_last=false", "training.clip_grad_norm=0.1"])
def test_option_keeps_the_run_whole(tmp_path, override):
    directory, _ = unreported(tmp_path, override)
    assert directory.read_summary().status == "complete"

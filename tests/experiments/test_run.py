"""Whole runs, from a recipe to its report, on drawn lesions."""

import csv
import json
import math
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image

from segkit.core.errors import SegkitError, TrainingError
from segkit.core.events import EpochEnded, RunEnded, RunStarted, StepEnded
from segkit.experiments.assembly import assemble
from segkit.experiments.run import run
from segkit.recipe import load_recipe, plain_recipe
from segkit.recipe.build import build
from segkit.runs.run_dir import RunDir
from segkit.runs.schema import EpochScores
from segkit.training.checkpoint import load_weights
from segkit.training.devices import make_fabric
from segkit.training.evaluate import evaluate
from segkit.training.state_file import read_state
from tests.small_runs import finished, recipe

THREE = ["data.task=multiclass", "data.classes=[skin, lesion, hair]", "loss=[dice, cross_entropy]"]
BOTH = ["data.task=multilabel", "data.classes=[lesion, hair]"]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return finished(tmp_path_factory.mktemp("small"), "model.encoder.frozen=true")


@pytest.fixture
def unreported(monkeypatch):
    """For what is not about the report, which takes most of a small run's time."""
    monkeypatch.setattr("segkit.experiments.recorder.write_report", lambda directory: directory.report)


def files_of(directory):
    return {str(path.relative_to(directory.path)) for path in directory.path.rglob("*") if path.is_file()}


def test_events_tell_the_run_in_order(small):
    directory, events = small
    kinds = [RunStarted, *([StepEnded] * 3 + [EpochEnded]) * 2, RunEnded]
    assert [type(event) for event in events] == kinds
    started, ended = events[0], events[-1]
    assert started.images == {"train": 10, "test": 5}
    assert (started.val_split, started.precision, started.epochs) == ("test", "32-true", 2)
    assert started.metrics == ["iou", "dice"]
    assert "random weights" in started.warnings[1]
    assert ended.summary.status == "complete"
    assert ended.report == directory.report


def test_run_directory_is_complete(small):
    directory, _ = small
    checkpoints = {"best.safetensors", "last.safetensors", "last.state.pt"}
    samples = {f"{n}_{kind}.png" for n in range(1, 6) for kind in ("image", "truth", "prediction", "overlay")}
    samples |= {"samples.json", "training.json"}
    samples |= {f"training_{n}_{kind}.png" for n in range(1, 5) for kind in ("image", "mask")}
    assert files_of(directory) == {
        "recipe.yaml", "environment.json", "metrics.jsonl", "scores.csv", "summary.json", "thumbnails.zip",
        "report.html", "report.md", "curves.png", "scores.png", "splits.csv",
        *(f"checkpoints/{name}" for name in checkpoints), *(f"samples/{name}" for name in samples),
    }  # fmt: skip


def test_summary_answers_what_is_asked_first(small):
    directory, events = small
    summary = directory.read_summary()
    best = max(
        (event for event in events if isinstance(event, EpochEnded)), key=lambda event: event.metrics["iou"]
    )
    scores = summary.scores.model_dump(include={"per_class", "confusion"})
    assert sum(map(sum, scores["confusion"][0])) == 5 * 64 * 64
    assert summary.best == EpochScores(
        epoch=best.epoch, metrics=best.metrics, val_loss=best.val_loss, **scores
    )
    assert summary.last.epoch == summary.epochs == summary.epochs_asked == 2
    assert summary.first_metric == "iou"
    assert summary.higher_is_better is True
    assert (summary.scored_on, summary.reported_on) == ("test", "test")
    assert summary.seconds > summary.train_seconds > 0
    assert summary.images_per_second == pytest.approx(20 / summary.train_seconds)
    assert summary.peak_memory_bytes > 10_000_000
    parameters = summary.parameters
    assert parameters["total"] == parameters["encoder"] + parameters["decoder"] + parameters["head"]
    assert parameters["trainable"] == parameters["decoder"] + parameters["head"]
    assert summary.stages[-1].shape == (1, 64, 64)


def test_best_checkpoint_scores_what_its_epoch_scored(small):
    directory, _ = small
    summary = directory.read_summary()
    assert summary.scores.split == "test"
    assert summary.scores.metrics == summary.best.metrics
    assert summary.scores.loss == summary.best.val_loss
    with directory.scores.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == [f"lesion_test_{number:04}" for number in range(5)]
    assert np.mean([float(row["iou"]) for row in rows]) == pytest.approx(summary.best.metrics["iou"])


def test_epochs_are_recorded_as_they_happened(small):
    directory, events = small
    lines = directory.read_epochs()
    for line, event in zip(lines, (event for event in events if isinstance(event, EpochEnded)), strict=True):
        assert (line["epoch"], line["iou"], line["dice"]) == (event.epoch, *event.metrics.values())
        assert (line["train_loss"], line["val_loss"], line["seconds"]) == (
            event.train_loss, event.val_loss, event.seconds,
        )  # fmt: skip


def test_frozen_encoder_is_proven_unchanged(small):
    directory, _ = small
    verdict = directory.read_summary().frozen_encoder
    assert verdict.unchanged is True
    assert verdict.digest_before == verdict.digest_after
    assert verdict.digest_before == directory.read_environment().encoder_digest
    assert "The frozen encoder is unchanged" in directory.report.read_text(encoding="utf-8")


def test_environment_has_digests_of_data_and_weights(small):
    environment = small[0].read_environment()
    assert environment.data_digests.keys() == {"train", "test"}
    assert environment.device.startswith("cpu")


def test_environment_has_the_recipe_and_the_number_of_images(small):
    directory, _ = small
    environment = directory.read_environment()
    assert environment.images == directory.read_summary().images
    assert environment.recipe == plain_recipe(load_recipe(directory.recipe))
    assert "recipe.optimizer.lr" not in directory.report.with_suffix(".md").read_text(encoding="utf-8")


def test_a_run_keeps_which_image_was_in_which_split(small):
    directory, _ = small
    rows = [row.split(",") for row in directory.splits.read_text(encoding="utf-8").splitlines()]
    assert rows[0] == ["name", "split", "group"]
    assert Counter(split for _, split, _ in rows[1:]) == directory.read_environment().images
    assert [name for name, split, _ in rows if split == "test"] == directory.read_scores()[0]


def test_a_finished_run_keeps_its_training_state_unless_the_recipe_says_no(tmp_path, unreported):
    directory, _ = finished(tmp_path, "training.epochs=1", "training.keep_state=false")
    checkpoints = {path.name for path in directory.checkpoints.iterdir()}
    assert checkpoints == {"best.safetensors", "last.safetensors"}


def test_saved_recipe_says_what_the_decoder_was_given(small):
    directory, _ = small
    stage = next(stage for stage in directory.read_summary().stages if stage.part == "encoder")
    size = " \N{MULTIPLICATION SIGN} ".join(map(str, stage.shape))
    first = directory.recipe.read_text(encoding="utf-8").splitlines()[0]
    assert first == f"# The decoder is given {stage.name} of the encoder: {size} (channels, height, width)"


def test_saved_recipe_repeats_the_run(small, tmp_path, unreported):
    directory, _ = small
    again = list(run(load_recipe(directory.recipe), tmp_path))[-1].directory
    assert RunDir(again).scores.read_bytes() == directory.scores.read_bytes()
    assert (again / "recipe.yaml").read_bytes() == directory.recipe.read_bytes()


def test_best_checkpoint_builds_the_scored_model_anew(small):
    directory, _ = small
    saved = load_recipe(directory.recipe)
    assembly = assemble(saved)
    load_weights(assembly.model, directory.checkpoints / "best.safetensors")
    fabric = make_fabric(saved.training)
    scores = evaluate(
        assembly.model, assembly.eval_batches("test"), assembly.task, assembly.metrics, assembly.loss, fabric
    )
    assert scores.metrics == pytest.approx(directory.read_summary().best.metrics, rel=1e-6)


def test_state_loads_without_running_code(small):
    directory, _ = small
    state = read_state(directory.checkpoints / "last.state.pt")
    assert state.keys() == {"learner", "random_states", "precision", "epochs", "seconds"}
    assert state["learner"]["epoch"] == len(state["epochs"]) == 2


@pytest.mark.parametrize(
    ("overrides", "values"),
    [
        pytest.param(THREE, {0, 1, 2}, marks=pytest.mark.slow),
        pytest.param(BOTH, {0, 1, 2}, marks=pytest.mark.slow),
        (["data.channels=1"], {0, 1}),
        pytest.param(["data.channels=4"], {0, 1}, marks=pytest.mark.slow),
        pytest.param(
            ["model.decoder={name: unet, channels: [16, 8, 8, 8, 8]}", "model.encoder.name=mobilenetv2_050"],
            {0, 1},
            marks=pytest.mark.slow,
        ),
    ],
    ids=["multiclass", "multilabel", "grey", "alpha", "smp"],
)
def test_every_kind_of_run_ends_with_a_report(tmp_path, overrides, values):
    directory, events = finished(tmp_path, "training.epochs=1", *overrides)
    summary = directory.read_summary()
    assert events[-1].summary.scores.metrics == summary.scores.metrics
    assert all(0 <= value <= 1 for value in summary.best.metrics.values())
    assert len(directory.read_scores()[0]) == 5
    shown = [np.unique(np.asarray(Image.open(path))) for path in directory.samples.glob("*_truth.png")]
    assert len(shown) == 5
    assert set(np.concatenate(shown).tolist()) == values
    html = directory.report.read_text(encoding="utf-8")
    for name in load_recipe(directory.recipe).data.classes:
        assert f"</span>{name}</li>" in html


@pytest.mark.slow
def test_distance_as_first_metric_is_the_better_the_lower(tmp_path):
    directory, events = finished(tmp_path, "metrics=[hd95, iou]", "training.epochs=3")
    epochs = [event for event in events if isinstance(event, EpochEnded)]
    summary = directory.read_summary()
    assert summary.higher_is_better is False
    lowest = min(epochs, key=lambda event: event.metrics["hd95"] if event.metrics["hd95"] >= 0 else math.inf)
    assert summary.best.epoch == lowest.epoch
    samples = directory.read_samples()
    assert samples[0].record.score <= samples[-1].record.score


def test_validation_images_choose_and_test_images_tell(tmp_path, unreported):
    directory, events = finished(tmp_path, "data.split={by: fraction, val: 0.4}")
    summary = directory.read_summary()
    assert (summary.scored_on, summary.reported_on) == ("val", "test")
    assert events[0].images == {"train": 6, "val": 4, "test": 5}
    assert events[0].warnings == []
    assert summary.scores.metrics != summary.best.metrics
    assert directory.read_scores()[0][0] == "lesion_test_0000"


@pytest.mark.slow
def test_metric_that_is_never_defined_ends_in_a_run_all_the_same(tmp_path, monkeypatch):
    from segkit.core.registry import METRICS
    from segkit.core.types import Metric

    monkeypatch.setattr(METRICS, "_entries", dict(METRICS._entries))

    @METRICS.register("never")
    def never(task):
        return Metric(lambda logits, target: torch.full((len(logits), 1), torch.nan))

    directory, _ = finished(tmp_path, "metrics=[never, iou]")
    summary = directory.read_summary()
    assert summary.best.epoch == 2
    assert summary.best.metrics["never"] is None
    assert directory.read_samples() == []
    assert "no image has a defined score" not in directory.report.read_text(
        encoding="utf-8"
    )  # drawn, not said


def test_diverging_run_says_where_and_leaves_what_it_has(tmp_path):
    diverging = recipe(tmp_path, "optimizer={name: sgd, lr: 1e30}", "schedule=constant", "training.epochs=3")
    with pytest.raises(
        TrainingError, match=r"the loss is (nan|inf) in epoch 1, step 2, on the images lesion_train_"
    ):
        list(run(diverging, tmp_path / "runs"))
    directory = RunDir(tmp_path / "runs" / "small" / "001")
    assert files_of(directory) == {"recipe.yaml", "environment.json", "metrics.jsonl", "splits.csv"}
    assert directory.read_epochs() == []
    with pytest.raises(SegkitError, match="this run has not ended"):
        RunDir.open(directory.path)


def test_interrupted_run_keeps_its_finished_epochs(tmp_path):
    events = run(recipe(tmp_path, "training.epochs=3"), tmp_path / "runs")
    while not isinstance(next(events), EpochEnded):
        pass
    next(events)  # a step of the second epoch
    with pytest.raises(KeyboardInterrupt):
        events.throw(KeyboardInterrupt())
    directory = RunDir(tmp_path / "runs" / "small" / "001")
    assert files_of(directory) == {
        "recipe.yaml", "environment.json", "metrics.jsonl", "splits.csv",
        "checkpoints/best.safetensors", "checkpoints/last.safetensors", "checkpoints/last.state.pt",
    }  # fmt: skip
    assert [json.loads(line)["epoch"] for line in directory.metrics.read_text().splitlines()] == [1]
    assert read_state(directory.checkpoints / "last.state.pt")["learner"]["epoch"] == 1


def test_nothing_is_written_for_a_run_that_cannot_begin(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SegkitError, match="this machine has no cuda"):
        list(run(recipe(tmp_path, "training.accelerator=cuda"), tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()


def test_the_source_is_scanned_once(tmp_path, unreported, monkeypatch):
    scans = []
    source = type(build(recipe(tmp_path).data.source, recipe(tmp_path).data.goal, 3))
    splits = source.splits
    monkeypatch.setattr(source, "splits", lambda self: scans.append(self) or splits(self))
    finished(tmp_path, "training.epochs=1")
    assert len(scans) == 1


def test_progress_counts_images(tmp_path, unreported):
    told = {}
    list(
        run(
            recipe(tmp_path, "training.epochs=1"),
            tmp_path / "runs",
            lambda *words: told.update({words[0]: words[1:]}),
        )
    )
    assert told == {"train images": (10, 10), "test images": (5, 5), "scoring test images": (5, 5)}

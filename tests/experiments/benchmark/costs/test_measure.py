"""What is measured is the run's own model, in training as it trained, and without its images."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import yaml

from segkit.core.errors import SegkitError
from segkit.experiments.benchmark.costs import machine
from segkit.experiments.benchmark.costs import measure as measuring
from segkit.experiments.benchmark.costs.measure import Effort, measure, multiply_adds
from segkit.models.segmenter import Segmenter, digest
from segkit.runs.run_dir import RunDir
from segkit.training.devices import device_name
from tests.experiments.benchmark.costs import DECODER
from tests.small_runs import recipe

EFFORTS = (measuring.LATENCY, measuring.PREDICTION, measuring.TRAINING)


@pytest.mark.slow
def test_costs_are_plain_numbers(run: RunDir, plugin: Path) -> None:
    costs = json.loads(measure(run, [plugin], effort=0).model_dump_json(exclude_unset=True))
    assert costs.pop("date").endswith("+00:00")
    for name in ("latency_ms", "predict_images_per_second", "train_images_per_second", "peak_memory_bytes"):
        assert 0 < costs.pop(name) < math.inf
    with torch.device("meta"):
        encoder = timm.create_model("test_resnet", num_classes=0, global_pool="")
    convolutions = 2 * 2 * 9 * (encoder.num_features * 8 + 8)  # decoder and head, on maps of 2 x 2
    assert costs == {
        "macs": multiply_adds(encoder, (1, 3, 64, 64)) + convolutions,
        "weights_bytes": (run.checkpoints / "best.safetensors").stat().st_size,
        "machine": {
            **machine.this_machine(),
            "device": device_name(torch.device("cpu")),
            "threads": torch.get_num_threads(),
        },
        "precision": "32-true",
        "warnings": [],
    }


def test_neither_images_nor_pretrained_weights_are_needed(copy: RunDir, plugin: Path) -> None:
    changed = copy.read_recipe()
    changed["data"]["source"] = {"name": "isic2016", "root": "nowhere"}
    changed["model"]["encoder"]["weights"] = "nowhere.safetensors"
    copy.write_recipe(yaml.safe_dump(changed))
    assert measure(copy, [plugin], effort=0).macs > 0


class Watched:
    """The model that is measured, and all that goes through its decoder: images, mode, autograd."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.passes: list[tuple[int, bool, bool]] = []
        move = measuring.move_to_device

        def placed(model: Segmenter, *others: Any) -> None:
            move(model, *others)
            model.decoder.register_forward_pre_hook(self.note)
            self.model = model
            self.before = self.state()

        monkeypatch.setattr(measuring, "move_to_device", placed)

    def note(self, decoder: torch.nn.Module, given: Any) -> None:
        self.passes.append((len(given[0][0]), decoder.training, torch.is_grad_enabled()))

    def state(self) -> tuple[str, ...]:
        """All but the statistics, which move in training whatever the learning rate."""
        return tuple(map(digest, (self.model.encoder, self.model.decoder[0], self.model.head)))


@pytest.fixture
def watched(run: RunDir, plugin: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    found = Watched(monkeypatch)
    measure(run, [plugin], effort=0)
    return found


def test_one_image_then_several_then_training_steps_go_through_the_model(watched: Watched) -> None:
    one, several, training = (effort.warm_up + effort.times for effort in EFFORTS)
    assert watched.passes == (
        [(1, False, False)] * one + [(3, False, False)] * several + [(4, True, True)] * training
    )


def test_noise_teaches_nothing_and_a_frozen_encoder_stays_frozen(watched: Watched) -> None:
    model = watched.model
    assert watched.state() == watched.before
    assert not model.encoder.training
    assert all(parameter.grad is None for parameter in model.encoder.parameters())
    of_the_run = 3  # ten images by four
    assert model.decoder[1].num_batches_tracked == of_the_run + EFFORTS[2].warm_up + EFFORTS[2].times


@pytest.mark.slow
def test_training_is_that_of_the_recipe(plugin: Path, copy: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = copy.read_recipe()
    changed["optimizer"] = {"name": "sgd", "lr": 1e30, "momentum": 0.9}  # which would soon end in NaN
    changed["training"] |= {"ema_decay": 0.9, "compile": True, "precision": "bf16-mixed"}
    copy.write_recipe(yaml.safe_dump(changed))
    asked: dict[str, Any] = {}
    fit = measuring.fit

    def watched(learner: Any, *given: Any, **named: Any) -> Any:
        model = learner.model
        asked.update(
            learner=learner, precision=given[3]._precision.precision, compiled=model._compiled_call_impl
        )
        model._compiled_call_impl = None  # compiling takes its time
        return fit(learner, *given, **named)

    monkeypatch.setattr(measuring, "fit", watched)
    assert measure(copy, [plugin], effort=0).precision == "bf16-mixed"
    assert isinstance(asked["learner"].optimizer, torch.optim.SGD)
    assert asked["learner"].average.n_averaged == EFFORTS[2].warm_up + EFFORTS[2].times
    assert asked["precision"] == "bf16-mixed"
    assert asked["compiled"] is not None


@pytest.mark.parametrize(
    ("task", "classes", "target", "largest"),
    [
        ("binary", "[a]", (7, 64, 64), 1),
        ("multiclass", "[a, b, c]", (7, 64, 64), 2),
        ("multilabel", "[a, b]", (7, 64, 64, 2), 1),
    ],
)
def test_noise_has_the_values_and_shapes_of_the_task(
    tmp_path: Path, task: str, classes: str, target: tuple[int, ...], largest: int
) -> None:
    images, masks = measuring._noise(recipe(tmp_path, f"data.task={task}", f"data.classes={classes}"), 7)
    assert (images.shape, images.min(), images.max()) == ((7, 64, 64, 3), 0, 255)
    assert (masks.shape, masks.min(), masks.max()) == (target, 0, largest)


def test_median_without_what_warms_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 0.0

    def median(seconds: list[float], effort: float) -> tuple[float, int]:
        durations = iter(seconds)

        def call() -> None:
            nonlocal clock
            clock += next(durations)

        fabric: Any = type("Fabric", (), {"device": torch.device("cpu")})
        usual = Effort(warm_up=1, times=3, seconds=8.0)
        return measuring._median_seconds(call, fabric, usual, effort), len(list(durations))

    monkeypatch.setattr(measuring.time, "perf_counter", lambda: clock)
    assert median([50, 1, 9, 3, 4], 1.0) == (3, 1), "three times at least"
    assert median([50, 1, 2, 1, 4, 5], 1.0) == (1.5, 1), "eight seconds at least"
    assert median([50, 1, 2, 1, 4, 5], 0.5) == (1, 2), "half of the effort"


def test_plugin_that_nobody_names_is_not_loaded(run: RunDir, plugin: Path) -> None:
    with pytest.raises(SegkitError) as caught:
        measure(run, effort=0)
    assert str(caught.value) == (
        f"{run.path}: the run used decoder thin of the plugin thin, which is not loaded\n"
        f"  try: plugins=['{plugin}'], if you trust what is there"
    )


def test_plugin_that_has_changed_is_told(run: RunDir, tmp_path: Path) -> None:
    changed = tmp_path / "thin.py"
    changed.write_text(DECODER + "\nTHICKNESS = 0\n")
    assert measure(run, [changed], effort=0).warnings == ["The plugin thin has changed since the run."]


def test_weights_of_another_model_are_told_as_that(run: RunDir, tmp_path: Path) -> None:
    changed = tmp_path / "thin.py"
    changed.write_text(DECODER.replace("width, 3, padding=1", "width, 5, padding=2"))
    with pytest.raises(SegkitError, match="belongs to another model") as caught:
        measure(run, [changed], effort=0)
    hint = "The plugin thin has changed since the run. Use its original version."
    assert caught.value.problems[0].hint == hint


def test_machine_that_is_busy_is_told(run: RunDir, plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring.Load, "warnings", lambda load, threads: [f"No {threads} free cores."])
    told = f"No {torch.get_num_threads()} free cores."
    assert measure(run, [plugin], effort=0).warnings == [told]

"""What `segkit bench` says adds up, and what it trains on is the recipe's own."""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from segkit.core.errors import DataError, TrainingError
from segkit.experiments.benchmark import throughput as benching
from segkit.experiments.benchmark.step_breakdown import PARTS
from segkit.experiments.benchmark.throughput import ROUNDS, Round, bench
from segkit.experiments.benchmark.timed_loop import Loop
from segkit.models.segmenter import digest
from segkit.training.devices import device_name
from tests.small_runs import recipe

RATES = ("data_images_per_second", "model_images_per_second", "loop_images_per_second")
OTHERS = {
    "recipe", "loop_over_model", "loop_over_model_range", "rounds", "steps", "parts", "startup_seconds",
    "peak_memory_bytes", "batch_size", "images", "device", "threads", "precision", "machine", "warnings",
    "workers", "batches_together",
}  # fmt: skip


@pytest.fixture(autouse=True)
def nobody_else_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segkit.experiments.benchmark.costs.machine_load.busy_seconds", float)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return bench(recipe(tmp_path_factory.mktemp("bench"), "training.ema_decay=0.9"), steps=13)


@pytest.mark.slow
def test_what_is_measured_is_plain_data(measured: dict[str, Any]) -> None:
    assert json.loads(json.dumps(measured)) == measured
    assert set(measured) == {*RATES, *OTHERS}
    for rate in RATES:
        assert 0 < measured[rate] < math.inf
    assert measured["peak_memory_bytes"] > 0
    assert measured["steps"] == 3 * ROUNDS, "thirteen, in rounds of the same length"
    assert (measured["recipe"], measured["batch_size"], measured["images"]) == ("small", 4, 10)
    assert measured["device"] == device_name(torch.device("cpu"))
    assert measured["precision"] == "32-true"
    assert measured["workers"] >= 0
    assert set(measured["startup_seconds"]) == {"images", "model", "first_step"}
    assert min(measured["startup_seconds"].values()) > 0


def test_ratio_is_the_median_of_the_rounds(measured: dict[str, Any]) -> None:
    rounds = measured["rounds"]
    assert len(rounds) == ROUNDS
    for one in rounds:
        ratio = one["loop_images_per_second"] / one["model_images_per_second"]
        assert one["loop_over_model"] == pytest.approx(ratio)
    for name in ("loop_over_model", "loop_images_per_second", "model_images_per_second"):
        assert measured[name] == statistics.median(one[name] for one in rounds)
    ratios = [one["loop_over_model"] for one in rounds]
    assert measured["loop_over_model_range"] == [min(ratios), max(ratios)]


def test_parts_are_all_there_and_each_takes_its_time(measured: dict[str, Any]) -> None:
    parts = measured["parts"]
    assert tuple(parts) == PARTS
    assert min(parts.values()) > 0


@pytest.mark.slow
def test_without_an_average_nothing_averages(tmp_path: Path) -> None:
    assert bench(recipe(tmp_path), steps=1)["parts"]["average"] == 0


def test_neighbours_take_turns_in_coming_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, bool]] = []

    def rate(loop: Loop, steps: int, *, repeat: bool) -> float:
        asked.append((steps, repeat))
        return 4.0 if repeat else 3.0

    monkeypatch.setattr(Loop, "images_per_second", rate)
    answer = bench(recipe(tmp_path, "data.workers=0"), steps=13)
    turns = [turn for number in range(ROUNDS) for turn in (number % 2 == 1, number % 2 == 0)]
    assert asked == [(3, repeat) for repeat in turns], "as many as are made together"
    assert answer["loop_over_model"] == 0.75


def test_steps_are_as_many_as_take_some_seconds() -> None:
    def steps_if_one_takes(*seconds: float) -> int:
        times = iter(seconds)
        feed = SimpleNamespace(batches=SimpleNamespace(batches_at_once=1))
        loop: Any = SimpleNamespace(seconds=lambda steps, repeat: next(times), feed=feed)
        return benching._steps_per_block(loop, None)

    held_up_once = (100.0, 0.3, 0.1, 0.3, 0.4, 0.2, 0.3)
    assert steps_if_one_takes(*held_up_once) == round(benching.SECONDS / ROUNDS / 2 / 0.3)
    assert steps_if_one_takes(*[100.0] * 7) == benching.MIN_STEPS
    assert steps_if_one_takes(*[1e-9] * 7) == benching.MAX_STEPS


def test_few_steps_take_fewer_rounds_than_many() -> None:
    assert [benching._rounds(8, steps) for steps in (None, 4, 16, 33, 400)] == [ROUNDS, 1, 2, 5, ROUNDS]


def test_a_round_compares_two_rates() -> None:
    assert Round(loop=30.0, model=40.0).ratio == 0.75


@pytest.mark.slow
def test_parts_of_a_compiled_model_are_said_to_be_those_of_one_that_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[torch.nn.Module] = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda model: compiled.append(model))
    answer = bench(recipe(tmp_path, "training.compile=true"), steps=1)
    assert len(compiled) == 1
    assert answer["warnings"] == ["The parts of a step were measured without compiling the model."]


@pytest.mark.slow
def test_machine_that_is_busy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benching.Load, "warnings", lambda load, threads: [f"No {threads} free cores."])
    assert bench(recipe(tmp_path), steps=1)["warnings"] == [f"No {torch.get_num_threads()} free cores."]


def test_data_that_is_not_there_is_an_error_as_in_a_run(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        bench(recipe(tmp_path, f"data.source={{name: isic2016, root: {tmp_path / 'none'}}}"), steps=1)
    assert str(tmp_path / "none") in str(caught.value)


def test_loss_that_is_no_number_is_an_error_as_in_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Loop, "_loss", lambda loop, logits, target: logits.sum() * math.nan)
    with pytest.raises(TrainingError, match=r"^the loss is nan in epoch 1, step 1, on the images "):
        bench(recipe(tmp_path), steps=1)


@pytest.mark.parametrize(("workers", "together", "ready"), [(0, 1, 3), (1, 1, 3), (4, 1, 9), (0, 8, 1)])
def test_blocks_skip_what_may_lie_ready(
    monkeypatch: pytest.MonkeyPatch, workers: int, together: int, ready: int
) -> None:
    taken: list[tuple[bool, int]] = []
    loop: Any = Loop.__new__(Loop)
    monkeypatch.setattr(Loop, "step", lambda loop, steps: taken.append((loop.feed.repeat, steps)))
    loop.feed = SimpleNamespace(batches=SimpleNamespace(workers=workers, batches_at_once=together))
    loop.fabric = SimpleNamespace(device=torch.device("cpu"))
    loop.seconds(50)
    loop.seconds(2, repeat=True)
    assert taken == [(False, ready), (False, 50), (True, ready), (True, 2)]


def test_nothing_is_written_and_nothing_learnt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models: list[tuple[torch.nn.Module, str]] = []
    move = benching.move_to_device

    def placed(model: torch.nn.Module, *others: Any) -> None:
        move(model, *others)
        models.append((model, digest(model.head)))

    monkeypatch.setattr(benching, "move_to_device", placed)
    monkeypatch.chdir(tmp_path)
    bench(recipe(tmp_path), steps=1)
    ((model, before),) = models
    assert digest(model.head) == before
    assert [path.name for path in tmp_path.iterdir()] == ["small.yaml"]


@pytest.mark.slow
def test_one_process_is_measured_and_said_to_be(tmp_path: Path) -> None:
    answer = bench(recipe(tmp_path, "training.devices=2"), steps=1)
    assert answer["warnings"] == [
        "Only one process was measured: training.devices and training.num_nodes are ignored."
    ]

"""What runs tell of their costs, joined with what was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from segkit.analysis.comparison.costs import how_measured, mean_costs, read_costs
from segkit.core.errors import SegkitError
from segkit.runs.run_dir import RunDir, write_json
from segkit.runs.schema import Costs, MeasuredCosts
from tests.analysis.report.cases import write_run

MEASURED: dict[str, Any] = {
    "macs": 300_000_000,
    "latency_ms": 12.5,
    "predict_images_per_second": 160.0,
    "train_images_per_second": 40.0,
    "peak_memory_bytes": 900_000_000,
    "weights_bytes": 61_000_000,
    "machine": {"processor": "Xeon", "device": "cpu, 2 threads", "threads": 2, "torch": "2.11.0"},
    "precision": "32-true",
    "date": "2026-01-02T03:04:05+00:00",
    "warnings": [],
}


def on(device: str) -> MeasuredCosts:
    return MeasuredCosts(**MEASURED | {"machine": {**MEASURED["machine"], "device": device}})


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return write_run(tmp_path)


def test_costs_of_a_run_that_nobody_measured_are_those_of_its_training(run: RunDir) -> None:
    assert read_costs(run) == Costs(
        parameters=15_487_777,
        trainable_parameters=13_263_905,
        train_seconds=700.1,
        train_images_per_second=21.4,
        peak_memory_bytes=1_200_000_000,
    )


def test_weights_are_as_large_as_their_file(run: RunDir) -> None:
    run.checkpoints.mkdir(exist_ok=True)
    (run.checkpoints / "best.safetensors").write_bytes(bytes(1234))
    assert read_costs(run).weights_bytes == 1234
    run.write_costs(MeasuredCosts(**MEASURED))
    assert read_costs(run).weights_bytes == 61_000_000


def test_what_was_measured_takes_the_place_of_what_the_training_tells(run: RunDir) -> None:
    run.write_costs(MeasuredCosts(**MEASURED))
    assert read_costs(run) == Costs(
        parameters=15_487_777,
        trainable_parameters=13_263_905,
        macs=300_000_000,
        train_seconds=700.1,
        train_images_per_second=40.0,
        latency_ms=12.5,
        predict_images_per_second=160.0,
        peak_memory_bytes=900_000_000,
        weights_bytes=61_000_000,
    )


def test_summary_of_another_time_costs_nothing(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    needed = ("recipe", "metrics", "best", "scores", "scored_on", "reported_on", "epochs")
    summary = json.loads(run.summary.read_text())
    write_json(run.summary, {key: summary[key] for key in needed})
    assert read_costs(run) == Costs()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is not JSON (Expecting value: line 1 column 1 (char 0))"),
        ('{"macs": 3', "it is not JSON (Expecting ',' delimiter: line 1 column 11 (char 10))"),
        ("[]", "it must be a mapping"),
        ("\xff\xfe", "it is not UTF-8 text"),
        ('{"macs": "many"}', "macs: input should be a valid number"),
    ],
)
def test_damaged_file_is_named_and_may_be_deleted(run: RunDir, text: str, reason: str) -> None:
    run.costs.write_bytes(text.encode("latin-1"))
    with pytest.raises(SegkitError) as caught:
        read_costs(run)
    assert str(caught.value) == (
        f"{run.costs}: the file is damaged: {reason}\n  try: delete the file and measure again"
    )


def test_costs_are_written_whole_or_not_at_all(run: RunDir) -> None:
    run.write_costs(MeasuredCosts(**MEASURED))
    with pytest.raises(TypeError):
        write_json(run.costs, {"macs": object()})
    assert json.loads(run.costs.read_text()) == MEASURED
    run.write_costs(MeasuredCosts(macs=1))
    assert run.read_costs() == MeasuredCosts(macs=1)
    assert not list(run.path.glob(".costs*"))


def test_mean_over_seeds() -> None:
    mean = mean_costs([Costs(parameters=10, train_seconds=100), Costs(parameters=10, train_seconds=300)])
    assert mean == Costs(parameters=10, train_seconds=200)
    assert mean_costs([Costs(train_seconds=100), Costs()]) == Costs(train_seconds=100)


def test_mean_does_not_mix_what_was_measured_with_what_training_tells() -> None:
    """Loading images is in the one and not in the other."""
    measured = Costs(train_seconds=100, train_images_per_second=40, peak_memory_bytes=9, latency_ms=5)
    told = Costs(train_seconds=300, train_images_per_second=20, peak_memory_bytes=12)
    assert mean_costs([told, measured]) == Costs(
        train_seconds=200, train_images_per_second=40, peak_memory_bytes=9, latency_ms=5
    )


def test_how_costs_were_measured(tmp_path: Path) -> None:
    one, other = write_run(tmp_path), write_run(tmp_path)
    assert how_measured([one, other]) == ""
    one.write_costs(MeasuredCosts(**MEASURED))
    told = (
        "Costs were measured one model at a time, each in its own process, "
        "on Xeon, cpu, 2 threads, 32-true (torch 2.11.0)"
    )
    assert how_measured([one, other]) == (
        f"{told}. Speed and memory of 1 of 2 runs were recorded during training."
    )
    other.write_costs(MeasuredCosts(**MEASURED))
    assert how_measured([one, other]) == f"{told}."
    other.write_costs(MeasuredCosts(**MEASURED | {"warnings": ["Times are long."]}))
    assert how_measured([one, other]) == f"{told}. {other.path}: Times are long."
    other.write_costs(on("cuda: NVIDIA H100"))
    assert how_measured([one, other]) == (
        f"{told}; on Xeon, cuda: NVIDIA H100, 32-true (torch 2.11.0). "
        "Times and memory from different machines are not comparable."
    )

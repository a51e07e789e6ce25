"""Costs of another machine, or of another torch, are not those of this one."""

from __future__ import annotations

from pathlib import Path

import pytest

from segkit.experiments.benchmark.costs import machine
from segkit.experiments.benchmark.costs.machine import measured_here
from segkit.runs.schema import MeasuredCosts


def test_costs_measured_here() -> None:
    there = {**machine.this_machine(), "device": "cpu, 2 threads", "threads": 2}
    assert measured_here(MeasuredCosts.model_validate_json(MeasuredCosts(machine=there).model_dump_json()))


@pytest.mark.parametrize("key", ["processor", "cores", "gpus", "variables", "torch", "segkit"])
def test_costs_measured_elsewhere(key: str) -> None:
    assert not measured_here(MeasuredCosts(machine={**machine.this_machine(), key: "other"}))
    assert not measured_here(MeasuredCosts())
    assert not measured_here(None)


def test_number_of_threads_that_was_asked_for_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    costs = MeasuredCosts(machine=machine.this_machine())
    assert measured_here(costs)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert not measured_here(costs)
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert not measured_here(costs)


@pytest.mark.posix("names of folders with a colon")
def test_gpus_are_known_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_NVIDIA", tmp_path)
    assert machine.this_machine()["gpus"] == []
    (tmp_path / "0000:07:00.0").mkdir()
    text = "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 42\n"
    (tmp_path / "0000:07:00.0" / "information").write_text(text)
    assert machine.this_machine()["gpus"] == ["NVIDIA H100 80GB HBM3"]

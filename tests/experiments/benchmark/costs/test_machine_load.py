"""Whether other programs were at work while something was timed."""

from __future__ import annotations

import pytest

from segkit.experiments.benchmark.costs import machine_load as load
from segkit.experiments.benchmark.costs.machine_load import Load


class Machine:
    """A pretended machine of four cores."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = self.own = self.busy = 0.0
        monkeypatch.setattr(load.os, "cpu_count", lambda: 4)
        monkeypatch.setattr(load.time, "perf_counter", lambda: self.clock)
        monkeypatch.setattr(load, "own_seconds", lambda: self.own)
        monkeypatch.setattr(load, "busy_seconds", lambda: self.busy)

    def work(self, *, seconds: float, own: float, others: float) -> None:
        self.clock += seconds
        self.own += own
        self.busy += own + others


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_others_that_take_cores_are_told(machine: Machine) -> None:
    watch = Load()
    machine.work(seconds=10, own=25, others=13)
    assert watch.warnings(threads=4) == [
        "Other programs used 1.3 of 4 cores during the measurement: times are too long."
    ]
    assert watch.warnings(threads=64), "more threads than cores need no more than the cores"


def test_others_on_cores_that_are_not_needed_harm_nobody(machine: Machine) -> None:
    watch = Load()
    machine.work(seconds=10, own=25, others=13)
    assert watch.warnings(threads=2) == []


def test_work_of_one_s_own_is_not_that_of_others(machine: Machine) -> None:
    watch = Load()
    machine.work(seconds=10, own=40, others=2)
    assert watch.warnings(threads=4) == []
    machine.work(seconds=10, own=0, others=0)
    assert watch.warnings(threads=4) == []

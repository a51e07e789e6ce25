"""Whether other programs were at work while something was timed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from segkit.experiments.benchmark.costs import machine_load as load
from segkit.experiments.benchmark.costs.machine_load import Load

TICKS = os.sysconf("SC_CLK_TCK")


class Machine:
    """A pretended machine of four cores."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stat, self.clock, self.own = folder / "stat", 0.0, 0.0
        self.write(0)
        monkeypatch.setattr(load, "_STAT", self.stat)
        monkeypatch.setattr(load.time, "perf_counter", lambda: self.clock)
        monkeypatch.setattr(load.time, "process_time", lambda: self.own)

    def write(self, busy: float) -> None:
        """As many seconds in each of user, nice, system, irq, softirq, steal; idle and iowait are none."""
        part = round(1000 + busy * TICKS / 6)
        total = f"cpu  {part} {part} {part} {999_999 + part} {part} {part} {part} {part} 77 77"
        self.stat.write_text("\n".join([total, *(f"cpu{i} 1 1" for i in range(4)), "intr 5", "ctxt 6"]))

    def work(self, *, seconds: float, own: float, others: float) -> None:
        self.clock += seconds
        self.own += own
        self.write(own + others)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


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


def test_nothing_is_told_where_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_STAT", tmp_path / "nowhere")
    assert Load().warnings(threads=4) == []


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="not Linux")
def test_work_of_children_is_one_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    myself, gone = SimpleNamespace(pid=os.getpid()), SimpleNamespace(pid=0)
    monkeypatch.setattr(load, "active_children", lambda: [myself, gone])
    assert load._own_seconds() == pytest.approx(2 * time.process_time(), rel=0.05, abs=0.1)

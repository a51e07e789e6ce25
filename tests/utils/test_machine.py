"""Cores, memory and processor time of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from segkit.utils import machine

# More than 0.5 s, as the system counts user and system time in whole ticks of 0.01 s.
WORK = "import time, sys\nwhile time.process_time() < 0.55: pass\nprint(flush=True); sys.stdin.read()"


def test_usable_cores_are_those_that_the_process_is_bound_to() -> None:
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system binds no process to cores")
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert machine.usable_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert machine.usable_cores() == len(allowed)


def test_own_time_has_that_of_living_children_and_busy_time_has_both() -> None:
    own, busy = machine.own_seconds(), machine.busy_seconds()
    with subprocess.Popen(
        [sys.executable, "-c", WORK], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        spent = machine.own_seconds() - own
        time.sleep(0.05)  # the system counts in ticks
        assert spent >= 0.5
        assert machine.busy_seconds() - busy >= spent - 0.2


def test_peak_memory_is_in_bytes_and_stays() -> None:
    size = 200 << 20
    before = machine.peak_memory()
    np.ones(size, np.uint8)
    assert size / 2 < machine.peak_memory() < before + 2 * size
    assert machine.peak_memory() > size / 2, "the memory is free again, the peak remains"


@pytest.mark.skipif(sys.platform == "win32", reason="the program is a shell script")
@pytest.mark.parametrize(
    ("script", "memory"),
    [("echo 81559; echo 40960", 81559 * 2**20), ("echo '[N/A]'", 0), ("echo 81559; exit 9", 0), (None, 0)],
)
def test_memory_of_the_first_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, memory: int
) -> None:
    if script:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.gpu_memory() == memory

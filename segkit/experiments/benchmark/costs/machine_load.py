"""Whether other programs were at work: where cores are scarce, threads wait long for each other."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from multiprocessing import active_children
from pathlib import Path

TOLERATED_CORES = 0.3  # a desktop in the background
_STAT = Path("/proc/stat")


class Load:
    """The machine's load from now on. Known on Linux only; elsewhere nobody else is at work."""

    def __init__(self) -> None:
        self._started = _busy_seconds(), _own_seconds(), time.perf_counter()

    def warnings(self, threads: int) -> list[str]:
        """A sentence, if other programs and this one had to share cores.

        Args:
            threads: with which this program computes.
        """
        busy, own, clock = self._started
        lasted = time.perf_counter() - clock
        others = (_busy_seconds() - busy - (_own_seconds() - own)) / lasted
        cores = sum(line[3:4].isdecimal() for line in _lines())
        if others + min(threads, cores) <= cores + TOLERATED_CORES:
            return []
        told = f"Other programs kept {others:.1f} of {cores} cores busy while it was measured"
        return [f"{told}: times are too long."]


def _busy_seconds() -> float:
    """Of all cores together since the machine started, also what a virtual machine waited for its host."""
    ticks = [int(word) for line in _lines()[:1] for word in line.split()[1:9]]
    idle = sum(ticks[3:5])  # and waiting for a disk
    return (sum(ticks) - idle) / os.sysconf("SC_CLK_TCK") if ticks else 0.0


def _own_seconds() -> float:
    """Of this process and of those that it has started and that are still there: they load its data."""
    seconds = time.process_time()
    for child in active_children():
        with suppress(OSError):  # it has just ended
            stat = Path(f"/proc/{child.pid}/stat").read_text(encoding="utf-8")
            user, system = stat.rpartition(")")[2].split()[11:13]
            seconds += (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return seconds


def _lines() -> list[str]:
    """Those about all cores, and about each."""
    if not _STAT.is_file():
        return []
    return [line for line in _STAT.read_text(encoding="utf-8").splitlines() if line.startswith("cpu")]

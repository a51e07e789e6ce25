"""CPU load of other programs during a measurement."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from multiprocessing import active_children
from pathlib import Path

TOLERATED_CORES = 0.3  # background load of a desktop
_STAT = Path("/proc/stat")


class Load:
    """CPU load from now on; measured on Linux only."""

    def __init__(self) -> None:
        self._started = _busy_seconds(), _own_seconds(), time.perf_counter()

    def warnings(self, threads: int) -> list[str]:
        """A warning if other programs and the threads of this one had to share cores."""
        busy, own, clock = self._started
        seconds = time.perf_counter() - clock
        others = (_busy_seconds() - busy - (_own_seconds() - own)) / seconds
        cores = sum(line[3:4].isdecimal() for line in _lines())
        if others + min(threads, cores) <= cores + TOLERATED_CORES:
            return []
        return [
            f"Other programs used {others:.1f} of {cores} cores during the measurement: times are too long."
        ]


def _busy_seconds() -> float:
    """Busy time of all cores since boot, with the time that the host of a virtual machine took."""
    ticks = [int(word) for line in _lines()[:1] for word in line.split()[1:9]]
    idle = sum(ticks[3:5])  # idle and iowait
    return (sum(ticks) - idle) / os.sysconf("SC_CLK_TCK") if ticks else 0.0


def _own_seconds() -> float:
    seconds = time.process_time()
    # Children that have ended are missing, but data-loading workers live on.
    for child in active_children():
        with suppress(OSError):  # the child has just ended
            stat = Path(f"/proc/{child.pid}/stat").read_text(encoding="utf-8")
            user, system = stat.rpartition(")")[2].split()[11:13]
            seconds += (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return seconds


def _lines() -> list[str]:
    """The lines of /proc/stat about all cores together and about each."""
    if not _STAT.is_file():
        return []
    return [line for line in _STAT.read_text(encoding="utf-8").splitlines() if line.startswith("cpu")]

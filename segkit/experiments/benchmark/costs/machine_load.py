"""CPU load of other programs during a measurement."""

from __future__ import annotations

import os
import time

from segkit.utils.machine import busy_seconds, own_seconds

TOLERATED_CORES = 0.3  # background load of a desktop


class Load:
    """CPU load from now on."""

    def __init__(self) -> None:
        self._started = busy_seconds(), own_seconds(), time.perf_counter()

    def warnings(self, threads: int) -> list[str]:
        """A warning if other programs and the threads of this one had to share cores."""
        busy, own, clock = self._started
        seconds = time.perf_counter() - clock
        # Children that have ended are counted as other programs; data-loading workers live on.
        others = (busy_seconds() - busy - (own_seconds() - own)) / seconds
        cores = os.cpu_count() or 1
        if others + min(threads, cores) <= cores + TOLERATED_CORES:
            return []
        return [
            f"Other programs used {others:.1f} of {cores} cores during the measurement: times are too long."
        ]

"""Cores, memory and load of this machine, by psutil. No torch."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil

_PATIENCE_SECONDS = 10  # of nvidia-smi


def usable_cores() -> int:
    """Number of cores that this process may use."""
    process = psutil.Process()
    if hasattr(process, "cpu_affinity"):  # not on macOS
        return len(process.cpu_affinity())
    return os.cpu_count() or 1


def machine_memory() -> int:
    """Main memory in bytes."""
    return int(psutil.virtual_memory().total)


def gpu_memory() -> int:
    """Memory in bytes of the first NVIDIA GPU, as its driver's `nvidia-smi` tells; 0 without one."""
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    first = told.stdout.split()[:1]
    return int(first[0]) * 2**20 if first and first[0].isdecimal() else 0


def is_running(process: int) -> bool:
    """Whether there is a process of that number."""
    return bool(psutil.pid_exists(process))


def busy_seconds() -> float:
    """Busy time of all cores since boot, with the time that the host of a virtual machine took."""
    times = psutil.cpu_times()._asdict()
    idle = ("idle", "iowait", "guest", "guest_nice")  # that of guests is also in user and nice
    return float(sum(seconds for kind, seconds in times.items() if kind not in idle))


def own_seconds() -> float:
    """Processor time of this process and of its children that are alive."""
    myself = psutil.Process()
    total = 0.0
    for process in (myself, *myself.children(recursive=True)):
        with suppress(psutil.Error):  # a child has just ended
            times = process.cpu_times()
            total += times.user + times.system
    return total


def mapped_memory() -> int | None:
    """Resident memory of this process that belongs to files, in bytes; None if the system does not tell."""
    return getattr(psutil.Process().memory_info(), "shared", None)  # on Linux


def peak_memory() -> int:
    """Peak resident memory of this process in bytes."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    status = Path("/proc/self/status")  # psutil does not tell the peak here
    for line in status.read_text(encoding="utf-8").splitlines() if status.is_file() else []:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    import resource

    # Not on Linux: there a process inherits ru_maxrss from its parent.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

"""Seconds from typing `segkit run RECIPE` to the end of the first training step, in fresh processes.

    python tests/benchmarks/start_up.py recipes/isic_frozen.yaml [--set ...]

The first try fills the cache of decoded images, and the file system's; the others find both warm.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time

TRIES = 6
# The command line itself, which ends the process when the first step has ended.
RUN = """
import os, sys
from segkit.cli import main
from segkit.cli.console import RunView
from segkit.core.events import StepEnded
show = RunView.show
def show_until_the_first_step(view, event):
    show(view, event)
    if isinstance(event, StepEnded):
        os._exit(0)
RunView.show = show_until_the_first_step
main()
"""


def seconds(arguments: list[str]) -> float:
    """Of one start."""
    with tempfile.TemporaryDirectory() as runs:
        started = time.perf_counter()
        command = [sys.executable, "-P", "-c", RUN, "run", *arguments, "--runs", runs]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - started


if __name__ == "__main__":
    first, *others = [seconds(sys.argv[1:]) for _ in range(TRIES)]
    span = f"{min(others):.2f} to {max(others):.2f}"
    print(f"first {first:.2f} s, then {statistics.median(others):.2f} s ({span})")

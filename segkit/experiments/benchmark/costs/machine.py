"""Description of the machine on which costs were measured. No torch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.runs.environment import packages, processor
from segkit.utils.machine import usable_cores

if TYPE_CHECKING:
    from segkit.runs.schema import MeasuredCosts

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
_NVIDIA = Path("/proc/driver/nvidia/gpus")


def measured_here(costs: MeasuredCosts | None) -> bool:
    """Whether costs were measured on such a machine, with the same versions of torch and segkit."""
    machine = costs.machine if costs else {}
    return all(machine.get(key) == value for key, value in this_machine().items())


def this_machine() -> dict[str, Any]:
    """Hardware, environment variables and versions that speed and memory depend on.

    GPUs are listed on Linux only, and not in containers that hide them.
    """
    versions = packages()
    return {
        "processor": processor(),
        "cores": usable_cores(),
        "gpus": _gpus(),
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "torch": versions["torch"],
        "segkit": versions["segkit"],
    }


def _gpus() -> list[str]:
    files = sorted(_NVIDIA.glob("*/information"))
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]

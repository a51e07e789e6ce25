"""Rank of this process and number of processes. No torch."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from segkit.core.errors import Interrupted, TrainingError

_REPORT_SECONDS = 10.0  # far more than an error takes to be printed
# The variable by which a process is recognised as started by a launcher.
LAUNCHED_BY = {"torchrun": "TORCHELASTIC_RUN_ID", "srun": "SLURM_STEP_ID"}


class LostProcess(TrainingError):
    """Another process of the run has ended; it reports its own error if it can."""


@dataclass(frozen=True)
class RankInfo:
    """Rank of a process among those that train one model together.

    Args:
        launcher: program that started the processes; those that segkit starts are given torchrun's variables.
        world_size: number of processes.
        rank: rank of this process.
        local_world_size: number of processes on this machine.
        local_rank: rank on this machine.
        even: whether every machine has the same number of processes.
    """

    launcher: Literal["torchrun", "srun"]
    world_size: int
    rank: int
    local_world_size: int
    local_rank: int
    even: bool = field(default=True, kw_only=True)

    @property
    def nodes(self) -> int:
        """Number of machines."""
        return self.world_size // self.local_world_size

    @property
    def is_consistent(self) -> bool:
        """Whether the numbers can be those of one process among others."""
        local = self.local_rank < self.local_world_size or not self.even
        return local and 0 < self.local_world_size <= self.world_size and self.rank < self.world_size


def current_rank_info() -> RankInfo | None:
    """Rank assigned by a launcher; None for a process that was started alone.

    Variables that are incomplete, contradictory or of a single process were inherited: they are ignored.
    """
    numbers = _integers("WORLD_SIZE", "RANK", "LOCAL_WORLD_SIZE", "LOCAL_RANK")
    slurm = _integers("SLURM_NTASKS", "SLURM_PROCID", "SLURM_NNODES", "SLURM_LOCALID")
    info = None
    if LAUNCHED_BY["torchrun"] in os.environ and numbers and numbers[0] > 1:
        info = RankInfo("torchrun", *numbers)
    elif LAUNCHED_BY["srun"] in os.environ and slurm and slurm[0] > 1:
        world_size, rank, nodes, local_rank = slurm
        local_world_size, rest = divmod(world_size, max(nodes, 1))
        # Such as "3,2"; of equal numbers "2(x2)".
        even = not rest and "," not in os.environ.get("SLURM_STEP_TASKS_PER_NODE", "")
        info = RankInfo("srun", world_size, rank, local_world_size, local_rank, even=even)
    return info if info and info.is_consistent else None


def is_worker() -> bool:
    """Whether another process reports progress to the user."""
    info = current_rank_info()
    return info is not None and info.rank > 0


def reports_elsewhere() -> bool:
    """Whether another process reports the error that ends this one.

    Before the processes are connected, all of a machine have the same error and the first reports it;
    afterwards see `raise_once`.
    """
    info = current_rank_info()
    distributed = sys.modules.get("torch.distributed")
    connected = distributed is not None and distributed.is_initialized()
    return info is not None and info.local_rank > 0 and not connected


def wait_for_report(error: Exception) -> None:
    """Let the process that reports an error print it, before this one ends with the same error.

    torchrun ends all processes as soon as one has failed, also one that has not yet printed.
    """
    info = current_rank_info()
    if info and info.launcher == "torchrun" and not isinstance(error, Interrupted):
        with suppress(KeyboardInterrupt):
            time.sleep(_REPORT_SECONDS)


def _integers(*names: str) -> list[int]:
    """Values of environment variables; empty if one of them is not set or not a number."""
    values = [os.environ.get(name, "") for name in names]
    return [int(value) for value in values] if all(value.isdecimal() for value in values) else []

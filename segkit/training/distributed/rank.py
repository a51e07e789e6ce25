"""Rank of this process and number of processes. No torch."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any, Literal

from segkit.core.errors import TrainingError

STARTED_BY_SEGKIT = "SEGKIT_PROCESS"


class LostProcess(TrainingError):
    """Another process of the run has ended; it reports its own error if it can."""


@dataclass(frozen=True)
class RankInfo:
    """Rank of a process among those that train one model together.

    Args:
        launcher: program that started the processes.
        world_size: number of processes.
        rank: rank of this process.
        local_world_size: number of processes on this machine.
        local_rank: rank on this machine.
    """

    launcher: Literal["segkit", "torchrun", "srun"]
    world_size: int
    rank: int
    local_world_size: int
    local_rank: int

    @property
    def nodes(self) -> int:
        """Number of machines."""
        return self.world_size // self.local_world_size


def current_rank_info() -> RankInfo | None:
    """Rank assigned by a launcher; None for a process that was started alone."""
    names = ("WORLD_SIZE", "RANK", "LOCAL_WORLD_SIZE", "LOCAL_RANK")
    if STARTED_BY_SEGKIT in os.environ:
        return RankInfo("segkit", *_integers(*names))
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return RankInfo("torchrun", *_integers(*names))
    if "SLURM_STEP_ID" in os.environ and int(os.environ.get("SLURM_NTASKS", "1")) > 1:
        world_size, rank, nodes, local_rank = _integers(
            "SLURM_NTASKS", "SLURM_PROCID", "SLURM_NNODES", "SLURM_LOCALID"
        )
        return RankInfo("srun", world_size, rank, world_size // nodes, local_rank)
    return None


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


def _integers(*names: str) -> Any:
    return [int(os.environ[name]) for name in names]

"""Which of a run's processes this one is. No torch."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any, Literal

from segkit.core.errors import TrainingError

STARTED_BY_SEGKIT = "SEGKIT_PROCESS"


class LostProcess(TrainingError):
    """Another process of the run has ended, and says itself why, if it still can."""


@dataclass(frozen=True)
class RankInfo:
    """A process among those that train one model together.

    Args:
        launcher: who started them.
        processes: how many there are.
        rank: which of them this one is.
        here: how many there are on this machine.
        local_rank: which of those this one is.
    """

    launcher: Literal["segkit", "torchrun", "srun"]
    processes: int
    rank: int
    here: int
    local_rank: int


def current_rank_info() -> RankInfo | None:
    """The place that a launcher gave to this process; None for a process that nobody launched with others."""
    names = ("WORLD_SIZE", "RANK", "LOCAL_WORLD_SIZE", "LOCAL_RANK")
    if STARTED_BY_SEGKIT in os.environ:
        return RankInfo("segkit", *_numbers(*names))
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return RankInfo("torchrun", *_numbers(*names))
    if "SLURM_STEP_ID" in os.environ and int(os.environ.get("SLURM_NTASKS", "1")) > 1:
        processes, rank, machines, local = _numbers(
            "SLURM_NTASKS", "SLURM_PROCID", "SLURM_NNODES", "SLURM_LOCALID"
        )
        return RankInfo("srun", processes, rank, processes // machines, local)
    return None


def is_worker() -> bool:
    """Whether another process tells the user what goes on."""
    place = current_rank_info()
    return place is not None and place.rank > 0


def reports_elsewhere() -> bool:
    """Whether an error that ends this process is told by another one.

    Once they are connected, an error is raised in one process alone (see `told_once`). Before, all processes
    of a machine have the same one, and the first tells it.
    """
    place = current_rank_info()
    distributed = sys.modules.get("torch.distributed")
    connected = distributed is not None and distributed.is_initialized()
    return place is not None and place.local_rank > 0 and not connected


def _numbers(*names: str) -> Any:
    return [int(os.environ[name]) for name in names]

"""One error per run when several processes fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch.distributed as dist

from segkit.core.errors import SegkitError
from segkit.training.distributed.rank import LostProcess, wait_for_report

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from segkit.training.distributed.rank import RankInfo


@contextmanager
def raise_once(fabric: Fabric, rank_info: RankInfo | None) -> Iterator[None]:
    """Re-raise the first failure on one rank only; the other ranks exit silently.

    Without an error the processes are disconnected at the end: otherwise torch may abort a process that exits
    while its communication threads are running.

    Args:
        fabric: connected processes.
        rank_info: rank of this process.
    """
    try:
        yield
    except Exception as error:
        own = LostProcess("another process of this run has ended") if _is_lost_connection(error) else error
        if rank_info and not _is_first_failure(fabric):
            wait_for_report(own)
            raise SystemExit(own.exit_code if isinstance(own, SegkitError) else 1) from error
        if own is error:
            raise
        raise own from error
    if rank_info and dist.is_initialized():
        dist.destroy_process_group()


def _is_lost_connection(error: Exception) -> bool:
    message = str(error)
    from_gloo = isinstance(error, RuntimeError) and ("gloo" in message or "monitoredBarrier" in message)
    return isinstance(error, dist.DistError) or from_gloo


def _is_first_failure(fabric: Fabric) -> bool:
    if not dist.is_initialized():
        return fabric.is_global_zero
    rank = str(fabric.global_rank)
    try:
        first = dist.distributed_c10d._get_default_store().compare_set("segkit: first to fail", "", rank)
    except Exception:  # the process that holds the store has failed already
        return False
    return bool(first.decode() == rank)

"""One error for one run, however many processes fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch.distributed as dist

from segkit.core.errors import SegkitError
from segkit.training.distributed.rank import LostProcess

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from segkit.training.distributed.rank import RankInfo


@contextmanager
def told_once(fabric: Fabric, place: RankInfo | None) -> Iterator[None]:
    """An error is raised in one process alone, the first that has it; the others end silently.

    Where all goes well, the processes are disconnected in the end: one that ends while threads of its
    connection are at work is ended by the C++ library.

    Args:
        fabric: knows the processes.
        place: of this process; where segkit has started the others, it hears of their errors itself.
    """
    try:
        yield
    except Exception as error:
        mine = LostProcess("another process of this run has ended") if _is_lost(error) else error
        if place and place.launcher != "segkit" and not _first_to_fail(fabric):
            raise SystemExit(mine.exit_code if isinstance(mine, SegkitError) else 1) from error
        if mine is error:
            raise
        raise mine from error
    if place and dist.is_initialized():
        dist.destroy_process_group()


def _is_lost(error: Exception) -> bool:
    """What torch raises where a process has gone is a RuntimeError of gloo's, or an error of its own."""
    said = str(error)
    of_gloo = isinstance(error, RuntimeError) and ("gloo" in said or "monitoredBarrier" in said)
    return isinstance(error, dist.DistError) or of_gloo


def _first_to_fail(fabric: Fabric) -> bool:
    """Whether no other process has said before that it fails."""
    if not dist.is_initialized():
        return fabric.is_global_zero
    rank = str(fabric.global_rank)
    try:
        said = dist.distributed_c10d._get_default_store().compare_set("segkit: first to fail", "", rank)
    except Exception:  # the process that keeps the store has ended, and so has told
        return False
    return bool(said.decode() == rank)

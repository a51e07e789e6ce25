"""Sums, copies and results of the processes that train together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Item = TypeVar("Item")


def sum_over_processes(value: Tensor, fabric: Fabric) -> Tensor:
    """Sum of the processes' values; all processes must call this at the same point."""
    if fabric.world_size > 1:
        dist.all_reduce(value)
    return value


@torch.no_grad()
def copy_buffers(model: nn.Module, fabric: Fabric) -> None:
    """Give every process the buffers of the first, such as running statistics."""
    for buffer in model.buffers() if fabric.world_size > 1 else ():
        values = buffer.contiguous()
        dist.broadcast(values, 0)
        buffer.copy_(values)


def any_process(flags: Sequence[bool], fabric: Fabric) -> list[bool]:
    """Whether each flag is true in any process; all processes must call this at the same point."""
    if fabric.world_size == 1:
        return list(flags)
    largest = torch.tensor([float(flag) for flag in flags], device=fabric.device)
    dist.all_reduce(largest, dist.ReduceOp.MAX)
    return [flag > 0 for flag in largest.tolist()]


def gather_batches(items: Sequence[Item], fabric: Fabric, *, everywhere: bool = True) -> list[Item]:
    """Results of batches that the processes took in turn, in the order of the batches.

    Args:
        items: results of this process, one per batch.
        fabric: connected processes.
        everywhere: whether all processes get the results, or only the first.
    """
    if fabric.world_size == 1:
        return list(items)
    parts: list[Any] = [None] * fabric.world_size
    if everywhere:
        dist.all_gather_object(parts, list(items))
    else:
        dist.gather_object(list(items), parts if fabric.is_global_zero else None)
    padding = object()
    rounds = zip_longest(*(part or [] for part in parts), fillvalue=padding)
    return [item for item in chain.from_iterable(rounds) if item is not padding]

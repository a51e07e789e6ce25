"""Division of batches among processes, and gathering of their results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Item = TypeVar("Item")


@dataclass(frozen=True)
class BatchShard:
    """The contiguous part of a batch that a process computes.

    Args:
        batch_size: images in the whole batch.
        rank: rank of this process.
        world_size: number of processes.
    """

    batch_size: int
    rank: int = 0
    world_size: int = 1

    @property
    def sizes(self) -> list[int]:
        """Images of every process, divided like `numpy.array_split`."""
        size, remainder = divmod(self.batch_size, self.world_size)
        return [size + (rank < remainder) for rank in range(self.world_size)]

    @property
    def slice(self) -> slice:
        """Position of this process's images in the batch."""
        start = sum(self.sizes[: self.rank])
        return slice(start, start + self.sizes[self.rank])


def gather_batch(rows: Tensor, shard: BatchShard) -> Tensor:
    """Rows of the whole batch; only those of this process have gradients.

    So a loss of the result gives every process the gradient of its own rows.

    Shape:
        rows: (B of this process, ...).
        output: (B of the whole batch, ...).
    """
    if shard.world_size == 1:
        return rows
    padded = rows.new_zeros((max(shard.sizes), *rows.shape[1:]))
    padded[: len(rows)] = rows.detach()
    parts = [torch.empty_like(padded) for _ in shard.sizes]
    dist.all_gather(parts, padded)
    parts = [part[:size] for part, size in zip(parts, shard.sizes, strict=True)]
    parts[shard.rank] = rows
    return torch.cat(parts)


def any_process(flag: bool, fabric: Fabric) -> bool:
    """Whether the flag is true in any process; all processes must call this at the same point."""
    if fabric.world_size == 1:
        return flag
    largest = torch.tensor(float(flag), device=fabric.device)
    dist.all_reduce(largest, dist.ReduceOp.MAX)
    return bool(largest.item())


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

"""Who has which images of a batch, and what all have of it."""

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
    """A process's images of a batch; shares follow each other in the order of the processes.

    Args:
        images: in the whole batch.
        rank: of this process.
        processes: how many there are.
    """

    images: int
    rank: int = 0
    processes: int = 1

    @property
    def sizes(self) -> list[int]:
        """Images of every process, as `numpy.array_split` deals them."""
        each, left = divmod(self.images, self.processes)
        return [each + (rank < left) for rank in range(self.processes)]

    @property
    def slice(self) -> slice:
        """Where this process's images are in the batch."""
        before = sum(self.sizes[: self.rank])
        return slice(before, before + self.sizes[self.rank])


def gather_batch(rows: Tensor, share: BatchShard) -> Tensor:
    """The rows of the whole batch; gradients reach the process's own ones.

    A loss of the result gives every process the gradient of its own rows, whatever the loss is a mean of.

    Shape:
        rows: (B of this process, ...).
        output: (B of the whole batch, ...).
    """
    if share.processes == 1:
        return rows
    padded = rows.new_zeros((max(share.sizes), *rows.shape[1:]))
    padded[: len(rows)] = rows.detach()
    parts = [torch.empty_like(padded) for _ in share.sizes]
    dist.all_gather(parts, padded)
    parts = [part[:size] for part, size in zip(parts, share.sizes, strict=True)]
    parts[share.rank] = rows
    return torch.cat(parts)


def any_process(flag: bool, fabric: Fabric) -> bool:
    """Whether it is true in any of the processes, which all ask at the same point."""
    if fabric.world_size == 1:
        return flag
    said = torch.tensor(float(flag), device=fabric.device)
    dist.all_reduce(said, dist.ReduceOp.MAX)
    return bool(said.item())


def gather_dealt(items: Sequence[Item], fabric: Fabric, *, everywhere: bool = True) -> list[Item]:
    """What became of batches that were dealt in turn to all processes, in the order of the batches.

    Args:
        items: of this process's batches.
        fabric: knows the processes.
        everywhere: false if the first process alone needs them; the others get nothing.
    """
    if fabric.world_size == 1:
        return list(items)
    parts: list[Any] = [None] * fabric.world_size
    if everywhere:
        dist.all_gather_object(parts, list(items))
    else:
        dist.gather_object(list(items), parts if fabric.is_global_zero else None)
    nothing = object()
    rounds = zip_longest(*(part or [] for part in parts), fillvalue=nothing)
    return [item for item in chain.from_iterable(rounds) if item is not nothing]

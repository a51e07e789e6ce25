"""Batch normalisation and dropout of the whole batch while a process computes its shard."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from segkit.training.distributed.sharding import BatchShard
from segkit.training.distributed.sync_batchnorm import sync_batch_norm

# Whether the function drops whole channels, with one random number for each.
_DROPOUTS = {F.dropout: False, F.dropout1d: True, F.dropout2d: True, F.dropout3d: True}


def global_batch(shard: BatchShard) -> AbstractContextManager[object]:
    """Context in which batch normalisation and dropout compute as if this process had the whole batch."""
    return nullcontext() if shard.world_size == 1 else _GlobalBatch(shard)


class _GlobalBatch(TorchFunctionMode):
    """Replaces functions, not modules, as libraries have norm and dropout modules of their own."""

    def __init__(self, shard: BatchShard) -> None:
        super().__init__()
        self.shard = shard

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.batch_norm:
            return sync_batch_norm(*args, **kwargs)
        if func in _DROPOUTS:
            return self._dropout(func, *args, **kwargs)
        if func is torch.Tensor.bernoulli_:
            return self._bernoulli(*args, **kwargs)
        return func(*args, **kwargs)

    def _dropout(
        self, function: Any, x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Tensor:
        masked = x[..., :1, :1] if _DROPOUTS[function] and x.ndim == 4 else x
        whole = self._empty_batch(masked) if training else None
        if whole is None:
            return function(x, p, training, inplace)  # type: ignore[no-any-return]
        mask = self._own_rows(function(whole.fill_(1), p), len(x))
        return x.mul_(mask) if inplace else x * mask

    def _bernoulli(self, x: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
        whole = self._empty_batch(x)
        if generator is not None or isinstance(p, Tensor) or whole is None:
            return x.bernoulli_(p, generator=generator)
        return x.copy_(self._own_rows(whole.bernoulli_(p), len(x)))

    def _empty_batch(self, x: Tensor) -> Tensor | None:
        """Uninitialised tensor like `x` for the whole batch; None if rows do not belong to images."""
        own = self.shard.sizes[self.shard.rank]
        if not x.ndim or not len(x) or len(x) % own:
            return None
        # With the strides of a single process, as random numbers are drawn in memory order.
        shape = (len(x) // own * self.shard.batch_size, *x.shape[1:])
        return torch.empty_strided(shape, torch.empty_like(x).stride(), dtype=x.dtype, device=x.device)

    def _own_rows(self, whole: Tensor, rows: int) -> Tensor:
        per_image = rows // self.shard.sizes[self.shard.rank]
        start = per_image * self.shard.slice.start
        return whole[start : start + rows]

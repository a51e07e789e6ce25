"""What looks at a whole batch, or draws for it, while a model computes on a part of it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from segkit.training.distributed.sharding import BatchShard
from segkit.training.distributed.sync_batchnorm import shared_batch_norm

# Whether a function drops whole channels, so that one number is drawn for each.
_DROPOUTS = {F.dropout: False, F.dropout1d: True, F.dropout2d: True, F.dropout3d: True}


def whole_batch(share: BatchShard) -> AbstractContextManager[object]:
    """Inside, batch normalisation and dropout compute as if this process had the whole batch."""
    return nullcontext() if share.processes == 1 else _WholeBatch(share)


class _WholeBatch(TorchFunctionMode):
    """Replaces what looks at a whole batch, or draws for it, wherever a model calls it.

    Functions rather than modules, as libraries have modules of their own that call them.
    """

    def __init__(self, share: BatchShard) -> None:
        super().__init__()
        self.share = share

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.batch_norm:
            return shared_batch_norm(*args, **kwargs)
        if func in _DROPOUTS:
            return self._dropout(func, *args, **kwargs)
        if func is torch.Tensor.bernoulli_:
            return self._bernoulli(*args, **kwargs)
        return func(*args, **kwargs)

    def _dropout(
        self, function: Any, x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Tensor:
        drawn = x[..., :1, :1] if _DROPOUTS[function] and x.ndim == 4 else x
        whole = self._for_all(drawn) if training else None
        if whole is None:
            return function(x, p, training, inplace)  # type: ignore[no-any-return]
        mask = self._own(function(whole.fill_(1), p), len(x))
        return x.mul_(mask) if inplace else x * mask

    def _bernoulli(self, x: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
        whole = self._for_all(x)
        if generator is not None or isinstance(p, Tensor) or whole is None:
            return x.bernoulli_(p, generator=generator)
        return x.copy_(self._own(whole.bernoulli_(p), len(x)))

    def _for_all(self, x: Tensor) -> Tensor | None:
        """Room like that of `x`, for the whole batch; None if its rows are not those of images."""
        own = self.share.sizes[self.share.rank]
        if not x.ndim or not len(x) or len(x) % own:
            return None
        # In memory as one process would have it, as that is the order of drawing.
        shape = (len(x) // own * self.share.images, *x.shape[1:])
        return torch.empty_strided(shape, torch.empty_like(x).stride(), dtype=x.dtype, device=x.device)

    def _own(self, whole: Tensor, rows: int) -> Tensor:
        """This process's rows of the whole batch; an image may have several."""
        each = rows // self.share.sizes[self.share.rank]
        start = each * self.share.slice.start
        return whole[start : start + rows]

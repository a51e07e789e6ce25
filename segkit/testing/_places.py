"""Whether a map shows things where they are in the image."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.testing._modules import LARGE, Case, evaluated, shapes_at
from segkit.testing.check import require

_MARGIN = 1.2  # a map in which places are mixed up has 1, one of pooled context 2, most have 5 and more


def places_stay_where_they_are(case: Case) -> None:
    """A map that is turned, or cut by a reshape that takes places for channels, trains badly without a word.

    What changes in a quarter of the input changes that quarter of the finest map most.
    """
    module = case.training.module
    size = LARGE if shapes_at(case, module, LARGE) else max(case.taken)  # on few cells all is context
    tensors = case.feed(1, size)
    before = evaluated(case, module, tensors)[0]
    for place in ("top left", "top right"):
        changed = [_with_noise(tensor, place) for tensor in tensors]
        change = (evaluated(case, module, changed)[0] - before).abs()
        there = {name: float(_quarter(change, name).mean()) for name in _QUARTERS}
        here = there.pop(place)
        most = max(there, key=there.__getitem__)
        require(
            here >= _MARGIN * there[most],
            f"{case.label}: what changes at the {place} changes its map by {here:.2g} there "
            f"and by {there[most]:.2g} at the {most}",
            "reshape tokens (B, h*w, C) by transpose(1, 2).reshape(B, C, h, w), rows before columns",
        )


_QUARTERS = {
    "top left": (True, True),
    "top right": (True, False),
    "bottom left": (False, True),
    "bottom right": (False, False),
}


def _quarter(x: Tensor, place: str) -> Tensor:
    """(..., H, W) -> a view of about (..., H / 2, W / 2)."""
    (height, width), (top, left) = x.shape[-2:], _QUARTERS[place]
    rows = slice((height + 1) // 2) if top else slice(height // 2, height)
    columns = slice((width + 1) // 2) if left else slice(width // 2, width)
    return x[..., rows, columns]


def _with_noise(x: Tensor, place: str) -> Tensor:
    changed = x.clone()
    quarter = _quarter(changed, place)
    quarter += torch.randn(quarter.shape)
    return changed

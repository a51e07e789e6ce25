"""An exponential moving average of a model's weights and statistics."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn


class MovingAverage:
    """A copy of a model that follows it slowly: after every step, a share of the way.

    The first step is taken whole, as there is nothing to average before it. A part that cannot change, such
    as a frozen encoder, is shared instead of copied.

    Args:
        model: on its device; it stays the one that is followed.
        decay: share of the average that remains in a step.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        fixed = {id(part): part for part in model.children() if _is_fixed(part)}
        self.model: nn.Module = copy.deepcopy(model, dict(fixed)).requires_grad_(False)
        self.decay = decay
        self.updates = 0
        pairs = [
            (mine, theirs)
            for mine, theirs in zip(_tensors(self.model), _tensors(model), strict=True)
            if mine is not theirs
        ]
        self._blended = [pair for pair in pairs if pair[0].is_floating_point()]
        self._copied = [pair for pair in pairs if not pair[0].is_floating_point()]  # such as counters

    @torch.no_grad()
    def update(self) -> None:
        """Follow the model by one step."""
        for mine, theirs in self._copied if self.updates else [*self._copied, *self._blended]:
            mine.copy_(theirs)
        if self.updates and self._blended:
            mine_all, theirs_all = (list(column) for column in zip(*self._blended, strict=True))
            torch._foreach_lerp_(mine_all, theirs_all, 1 - self.decay)
        self.updates += 1

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on from here."""
        return {"model": self.model.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.model.load_state_dict(state["model"])
        self.updates = state["updates"]


def _is_fixed(part: nn.Module) -> bool:
    """Whether nothing in it learns or counts."""
    return not part.training and not any(parameter.requires_grad for parameter in part.parameters())


def _tensors(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]

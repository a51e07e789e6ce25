"""Exponential moving average (EMA) of a model's weights and buffers."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn


class EMA:
    """A copy of a model whose weights and buffers are averaged over training steps.

    The decay warms up, min(decay, (1 + n) / (10 + n)) after n updates, as in TensorFlow's
    ``ExponentialEMA``: otherwise the initial weights would stay in the average for about 1 / (1 - decay)
    steps. Submodules that cannot change, such as a frozen encoder, are shared, not copied.

    Args:
        model: model to average, on its device.
        decay: weight of the old average in each update, after the warm-up.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        fixed = {id(part): part for part in model.children() if _is_fixed(part)}
        self.model: nn.Module = copy.deepcopy(model, dict(fixed)).requires_grad_(False)
        self.decay = decay
        self.updates = 0
        pairs = [
            (average, current)
            for average, current in zip(_tensors(self.model), _tensors(model), strict=True)
            if average is not current
        ]
        self._averaged = [pair for pair in pairs if pair[0].is_floating_point()]
        self._copied = [pair for pair in pairs if not pair[0].is_floating_point()]  # such as counters

    @torch.no_grad()
    def update(self) -> None:
        """Update the average after a training step."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for average, current in self._copied:
            average.copy_(current)
        if self._averaged:
            averages, currents = (list(tensors) for tensors in zip(*self._averaged, strict=True))
            torch._foreach_lerp_(averages, currents, 1 - decay)
        self.updates += 1

    def state_dict(self) -> dict[str, Any]:
        """State of the averaged model, and the number of updates."""
        return {"model": self.model.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state of `state_dict`."""
        self.model.load_state_dict(state["model"])
        self.updates = state["updates"]


def _is_fixed(part: nn.Module) -> bool:
    return not part.training and not any(parameter.requires_grad for parameter in part.parameters())


def _tensors(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]

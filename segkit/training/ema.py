"""Exponential moving average (EMA) of a model's weights and buffers, by torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def moving_average(model: nn.Module, decay: float) -> AveragedModel:
    """A copy of a model whose weights and buffers are averaged at each `update_parameters(model)`.

    The decay warms up, min(decay, (1 + n) / (10 + n)) after n updates, as in TensorFlow's
    ``ExponentialEMA``: otherwise the initial weights would stay in the average for about 1 / (1 - decay)
    steps.

    Args:
        model: model to average, on its device.
        decay: weight of the old average in each update, after the warm-up.
    """

    def update(averages: Any, currents: Any, _: Tensor | int) -> None:
        updates = int(average.n_averaged)  # on the CPU: the argument would have to wait for the GPU
        if averages[0].is_floating_point():
            torch._foreach_lerp_(averages, currents, 1 - min(decay, (1 + updates) / (10 + updates)))
        else:  # such as counters
            torch._foreach_copy_(averages, currents)

    average = AveragedModel(model, multi_avg_fn=update, use_buffers=True)
    return average.requires_grad_(False)

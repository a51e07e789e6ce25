"""First layers with weights made for RGB, on images of other channels.

timm's rule: of one channel, the sum of the three weights; of N channels, the weights of red, green and blue
in turn, times 3/N. With `rgb`, the chosen channels get their own weights and the others the mean of the
three, times 3/N: an image that is the same in all channels gives what it gives in RGB.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from segkit.core.errors import PartError, WeightsError

_RGB = 3


def find_image_layers(model: nn.Module, image: Tensor, run: Callable[[], object]) -> tuple[str, ...]:
    """Names of the convolutions that get the image itself.

    Args:
        model: model.
        image: (B, C, H, W), the image that `run` gives to the model.
        run: function that runs the model once.
    """
    found: list[str] = []

    def note(name: str, inputs: tuple[Any, ...]) -> None:
        if inputs and inputs[0] is image:
            found.append(name)

    convolutions = [(name, layer) for name, layer in model.named_modules() if isinstance(layer, nn.Conv2d)]
    hooks = [
        layer.register_forward_pre_hook(lambda _, inputs, name=name: note(name, inputs))
        for name, layer in convolutions
    ]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    return tuple(found)


@contextmanager
def adapted_first_layer(name: str, channels: int) -> Iterator[None]:
    """Raise an error where timm would leave the first layer with random weights and only log it.

    Raises:
        WeightsError: if timm cannot adapt the first layer of the model that is built in the body.
    """
    handler, logger = _Messages(logging.WARNING), logging.getLogger("timm.models._builder")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
    if any("Unable to convert pretrained" in message for message in handler.messages):
        raise WeightsError(
            f"timm cannot adapt the first layer of {name}, made for RGB, to {channels} channels",
            hint="data.bands: three of the channels, weights: none, or another encoder",
        )


class _Messages(logging.Handler):
    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@torch.no_grad()
def assign_rgb(model: nn.Module, layers: Sequence[str], rgb: Sequence[int], name: str) -> None:
    """Give the weights of red, green and blue to these channels, and their mean to the others.

    Args:
        model: timm model for N channels, three or more, with weights after timm's rule.
        layers: names of the convolutions that get the image.
        rgb: channels of red, green and blue.
        name: timm name of the model, for messages.

    Raises:
        PartError: if no layer gets the image itself.
    """
    if not layers:
        problem = f"the first layer of {name} does not get the image itself: its channels cannot be chosen"
        raise PartError(f"model.encoder.rgb: {problem}", hint="leave out rgb, or use another encoder")
    for layer in layers:
        weight = model.get_submodule(layer).weight  # O N k k
        assert isinstance(weight, Tensor)
        colours = weight[:, :_RGB].clone()  # times 3/N already
        weight.copy_(colours.mean(dim=1, keepdim=True).expand_as(weight))
        weight[:, list(rgb)] = colours


def per_channel(
    values: Sequence[float], channels: int, rgb: Sequence[int] | None = None
) -> tuple[float, ...]:
    """Mean or std of each channel: those of RGB; of other numbers of channels, their mean.

    With `rgb`, the chosen channels keep those of red, green and blue.
    """
    if len(values) == channels and not rgb:
        return tuple(values)
    of_each = [sum(values) / len(values)] * channels
    for channel, value in zip(rgb or (), values, strict=False):
        of_each[channel] = value
    return tuple(of_each)

"""Encoder and decoder on torch's meta device, where tensors have shapes and no values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.module import register_module_forward_pre_hook

from segkit.core.errors import PartError

Shape = tuple[int, ...]


@dataclass(frozen=True)
class MetaModel:
    """Encoder and decoder on the meta device, in evaluation mode.

    Args:
        encoder: the recipe's encoder.
        decoder: the recipe's decoder.
        stage_indices: indices of the encoder's stages that are passed to the decoder.
        channels: image channels.
    """

    encoder: Any  # a module with a pyramid
    decoder: nn.Module
    stage_indices: list[int]
    channels: int

    def __call__(self, height: int, width: int, images: int = 1) -> tuple[list[Shape], Shape]:
        """Shapes of the decoder's input maps and of its output map, without the batch axis.

        Raises:
            PartError: if maps are not what encoder and decoder have to return.
            WrongChannelsError: if a layer gets another number of channels than it is made for.
        """
        with _channels_checked():
            maps = self.encoder(torch.empty(images, self.channels, height, width, device="meta"))
            _check_maps(self.encoder, maps, images)
            decoded = self.decoder([maps[stage] for stage in self.stage_indices])
        _check_decoded(self.decoder, decoded, images)
        return [tuple(maps[stage].shape[1:]) for stage in self.stage_indices], tuple(decoded.shape[1:])


class WrongChannelsError(Exception):
    """A layer gets another number of channels than it is made for."""

    def __init__(self, layer: nn.Module, expected: int, found: int) -> None:
        super().__init__(f"a {type(layer).__name__}, takes {expected} channels and gets {found}")
        self.layer = layer


def line_of_forward(module: nn.Module) -> str:
    """file:line of a module's `forward`."""
    code = getattr(getattr(type(module), "forward", None), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else ""


def _check_maps(encoder: Any, maps: Any, images: int) -> None:
    widths = [shape[1] for shape in _shapes(maps, images)]
    if widths != [*encoder.pyramid.channels]:
        raise PartError(
            f"{type(encoder).__name__}.forward returns {_in_words(maps)} for a batch of {images}, "
            f"but its pyramid is {encoder.pyramid!r}",
            where=line_of_forward(encoder),
            hint="return a list of maps (B, C, h, w), finest first, one for each of pyramid.channels",
        )


def _check_decoded(decoder: nn.Module, decoded: Any, images: int) -> None:
    shapes = _shapes([decoded], images)
    if not shapes or 0 in shapes[0] or decoded.dtype != torch.get_default_dtype():
        raise PartError(
            f"{type(decoder).__name__}.forward returns {_in_words(decoded)} for a batch of {images}",
            where=line_of_forward(decoder),
            hint=f"return one map (B, C, h, w) of {torch.get_default_dtype()}",
        )


def _shapes(maps: Any, images: int) -> list[Shape]:
    """Shapes of maps of that many images; empty if they are anything else."""
    listed = isinstance(maps, (list, tuple)) and all(isinstance(item, Tensor) for item in maps)
    shapes = [tuple(item.shape) for item in maps] if listed else []
    return shapes if all(len(shape) == 4 and shape[0] == images for shape in shapes) else []


def _in_words(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__} of {', '.join(map(_in_words, value)) or 'nothing'}"
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    dtype = "" if value.dtype == torch.get_default_dtype() else f" and type {value.dtype}"
    return f"a tensor of shape {tuple(value.shape)}{dtype}"


@contextmanager
def _channels_checked() -> Iterator[None]:
    # On the meta device, some layers accept any number of channels, and others fail without naming theirs.
    handle = register_module_forward_pre_hook(_check_channels)
    try:
        yield
    finally:
        handle.remove()


def _check_channels(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
    expected, axis = 0, 0
    if isinstance(layer, _ConvNd):
        expected, axis = layer.in_channels, -1 - len(layer.kernel_size)
    elif isinstance(layer, nn.Linear):
        expected, axis = layer.in_features, -1
    elif isinstance(layer, _BatchNorm):
        expected, axis = layer.num_features, 1
    x = inputs[0] if inputs else None
    if expected and isinstance(x, Tensor) and x.ndim >= abs(axis) and x.shape[axis] != expected:
        raise WrongChannelsError(layer, expected, x.shape[axis])

"""Fusion of BatchNorm layers into the convolutions before them."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

# Largest rounding error of a map, relative to its largest value.
_TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-10}


@torch.no_grad()
def fuse_batchnorm(encoder: nn.Module, image: Tensor) -> nn.Module | None:
    """A copy of a frozen encoder with its BatchNorms fused into convolutions.

    Pairs are found by running the encoder, and the copy is used only if its outputs match, so that unusual
    encoders stay as they are.

    Args:
        encoder: encoder in evaluation mode; not changed.
        image: (B, C, H, W) input to run it on.

    Returns:
        The copy; None if nothing can be fused, or the outputs differ by more than rounding.
    """
    if image.dtype not in _TOLERANCE:
        return None
    try:
        return _fuse(encoder, image)
    except Exception:  # it cannot be copied, or uses its norms in other ways
        return None


def _fuse(encoder: nn.Module, image: Tensor) -> nn.Module | None:
    fused = copy.deepcopy(encoder)
    pairs = _pairs(fused, image)
    for convolution, norm in pairs:
        _fold(convolution, norm)
    # timm's BatchNorms contain the activation, which stays.
    _replace(fused, {norm: nn.Sequential(*norm.children()) for _, norm in pairs})
    fused.eval()
    outputs = zip(encoder(image), fused(image), strict=True)
    matches = all(_matches(expected, actual) for expected, actual in outputs)
    return fused if pairs and matches else None


def _pairs(encoder: nn.Module, image: Tensor) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Convolutions and the BatchNorms that receive their output, if each is used once."""
    sources: dict[int, nn.Conv2d] = {}
    pairs: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = []
    outputs: list[Tensor] = []  # kept alive, as Python reuses the ids of freed objects

    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:
        if isinstance(module, nn.Conv2d):
            sources[id(output)] = module
            outputs.append(output)
        elif isinstance(module, nn.BatchNorm2d) and id(inputs[0]) in sources:
            pairs.append((sources[id(inputs[0])], module))

    hooks = [module.register_forward_hook(record) for module in encoder.modules()]
    try:
        encoder(image)
    finally:
        for hook in hooks:
            hook.remove()
    convolutions, norms = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return [
        (convolution, norm)
        for convolution, norm in pairs
        if norm.running_var is not None and norms.count(norm) == convolutions.count(convolution) == 1
    ]


def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = (norm.running_var + norm.eps).rsqrt()
    scale = scale if norm.weight is None else scale * norm.weight
    bias = -norm.running_mean if convolution.bias is None else convolution.bias - norm.running_mean
    bias = bias * scale if norm.bias is None else bias * scale + norm.bias
    convolution.weight.mul_(scale.view(-1, 1, 1, 1))
    convolution.bias = nn.Parameter(bias, requires_grad=False)


def _replace(module: nn.Module, replacements: dict[nn.BatchNorm2d, nn.Module]) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d) and child in replacements:
            setattr(module, name, replacements[child])
        else:
            _replace(child, replacements)


def _matches(expected: Tensor, actual: Tensor) -> bool:
    tolerance = _TOLERANCE[expected.dtype] * float(expected.abs().max())
    return float((expected - actual).abs().max()) <= tolerance

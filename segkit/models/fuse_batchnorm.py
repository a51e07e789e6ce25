"""BatchNorm folded into the convolution before it: one pass over a map instead of three."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

# Largest difference of a map, as a share of its largest value, that rounding alone can explain.
_ROUNDING = {torch.float32: 1e-4, torch.float64: 1e-10}


@torch.no_grad()
def fuse_batchnorm(encoder: nn.Module, image: Tensor) -> nn.Module | None:
    """A copy of a frozen encoder whose BatchNorms are part of the convolutions before them.

    Which convolution a BatchNorm follows is seen by running the encoder. Whether the copy says the same is
    seen by running both, so that an encoder built in a way not foreseen here is left as it is.

    Args:
        encoder: in evaluation mode; it is not changed.
        image: (B, C, H, W), what to run it on.

    Returns:
        The copy; None where nothing can be folded, or the copy's maps differ by more than rounding.
    """
    if image.dtype not in _ROUNDING:
        return None
    try:
        return _checked(encoder, image)
    except Exception:  # one that cannot be copied, or asks its norms for more than to normalise
        return None


def _checked(encoder: nn.Module, image: Tensor) -> nn.Module | None:
    lean = copy.deepcopy(encoder)
    pairs = _pairs(lean, image)
    for convolution, norm in pairs:
        _fold(convolution, norm)
    _replace(lean, {norm: _rest(norm) for _, norm in pairs})
    lean.eval()
    same = all(_alike(map_, lean_map) for map_, lean_map in zip(encoder(image), lean(image), strict=True))
    return lean if pairs and same else None


def _pairs(encoder: nn.Module, image: Tensor) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Convolutions and the BatchNorms that are handed their output, where each is used once."""
    made: dict[int, nn.Conv2d] = {}
    pairs: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = []
    kept: list[Tensor] = []  # or another map could get the number of one that is gone

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:
        if isinstance(module, nn.Conv2d):
            made[id(output)] = module
            kept.append(output)
        elif isinstance(module, nn.BatchNorm2d) and id(inputs[0]) in made:
            pairs.append((made[id(inputs[0])], module))

    hooks = [module.register_forward_hook(note) for module in encoder.modules()]
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
    """Scale and shift of the BatchNorm become part of weight and bias."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = (norm.running_var + norm.eps).rsqrt()
    scale = scale if norm.weight is None else scale * norm.weight
    bias = -norm.running_mean if convolution.bias is None else convolution.bias - norm.running_mean
    bias = bias * scale if norm.bias is None else bias * scale + norm.bias
    convolution.weight.mul_(scale.view(-1, 1, 1, 1))
    convolution.bias = nn.Parameter(bias, requires_grad=False)


def _rest(norm: nn.BatchNorm2d) -> nn.Module:
    """What a BatchNorm does beside normalising: timm's has the activation inside."""
    return nn.Sequential(*norm.children())


def _replace(module: nn.Module, others: dict[nn.BatchNorm2d, nn.Module]) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d) and child in others:
            setattr(module, name, others[child])
        else:
            _replace(child, others)


def _alike(one: Tensor, other: Tensor) -> bool:
    scale = float(one.abs().max())
    return float((one - other).abs().max()) <= _ROUNDING[one.dtype] * scale

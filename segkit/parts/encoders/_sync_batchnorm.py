"""Batch normalisation over the images of all processes; on GPUs only, as torch has it."""

from __future__ import annotations

from timm.layers.norm_act import BatchNormAct2d, convert_sync_batchnorm
from torch import nn

# Not subclasses, such as a plugin's: their own `forward` would be lost.
_CONVERTED = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, BatchNormAct2d)


def sync_batchnorm(module: nn.Module) -> None:
    """Replace the BatchNorms within a module; weights, buffers and their names stay the same."""
    for name, child in module.named_children():
        if type(child) in _CONVERTED:
            # torch's function loses an activation.
            setattr(module, name, convert_sync_batchnorm(child))  # type: ignore[no-untyped-call]
        else:
            sync_batchnorm(child)

"""Optimisers of timm: lamb, lion, adopt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segkit.core.registry import OPTIMIZERS
from segkit.parts.optimizers._groups import Betas, Decay, Rate, scaled_groups

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from segkit.core.types import ParameterGroups


@OPTIMIZERS.register("lamb")
def lamb(
    groups: ParameterGroups, *, lr: Rate = 1e-3, weight_decay: Decay = 0.01, betas: Betas = (0.9, 0.999)
) -> Optimizer:
    """LAMB of timm, for large batches (You et al., 2020).

    Args:
        groups: parameter groups.
        lr: learning rate.
        weight_decay: decoupled decay: lr * weight_decay * weights are subtracted in each step.
        betas: decay rates of the moving averages of the gradient and its square.
    """
    from timm.optim.lamb import Lamb

    return Lamb(scaled_groups(groups, lr, weight_decay), lr, betas=betas)


@OPTIMIZERS.register("lion")
def lion(
    groups: ParameterGroups, *, lr: Rate = 1e-4, weight_decay: Decay = 0.0, betas: Betas = (0.9, 0.99)
) -> Optimizer:
    """Lion of timm: steps by the sign of the momentum (Chen et al., 2023).

    Args:
        groups: parameter groups.
        lr: learning rate; usually a third to a tenth of that of adamw.
        weight_decay: decoupled decay: lr * weight_decay * weights are subtracted in each step.
        betas: decay rates for the step and for the moving average of the gradient.
    """
    from timm.optim.lion import Lion

    return Lion(scaled_groups(groups, lr, weight_decay), lr, betas)


@OPTIMIZERS.register("adopt")
def adopt(
    groups: ParameterGroups, *, lr: Rate = 1e-3, weight_decay: Decay = 0.0, betas: Betas = (0.9, 0.9999)
) -> Optimizer:
    """ADOPT of timm: Adam that converges with any beta2, decoupled decay (Taniguchi et al., 2024).

    Args:
        groups: parameter groups.
        lr: learning rate.
        weight_decay: decoupled decay: lr * weight_decay * weights are subtracted in each step.
        betas: decay rates of the moving averages of the gradient and its square.
    """
    from timm.optim.adopt import Adopt

    scaled = scaled_groups(groups, lr, weight_decay)
    return Adopt(scaled, lr, betas, decoupled=True)

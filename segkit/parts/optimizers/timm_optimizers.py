"""Optimisers of timm: lamb, lion, adopt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segkit.core.registry import OPTIMIZERS
from segkit.parts.optimizers._groups import scaled_groups
from segkit.parts.optimizers._options import Betas, Decay, Rate

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from segkit.core.types import ParameterGroups


@OPTIMIZERS.register("lamb")
def lamb(
    groups: ParameterGroups, *, lr: Rate = 1e-3, weight_decay: Decay = 0.01, betas: Betas = (0.9, 0.999)
) -> Optimizer:
    """LAMB, for large batches (You et al., 2020); timm's.

    Args:
        groups: the parameters.
        lr: learning rate.
        weight_decay: share of the weights, times the learning rate, taken away in each step.
        betas: of the moving averages of the gradient and of its square.
    """
    from timm.optim.lamb import Lamb

    return Lamb(scaled_groups(groups, lr, weight_decay), lr, betas=betas)


@OPTIMIZERS.register("lion")
def lion(
    groups: ParameterGroups, *, lr: Rate = 1e-4, weight_decay: Decay = 0.0, betas: Betas = (0.9, 0.99)
) -> Optimizer:
    """Lion, which steps by the sign of the momentum (Chen et al., 2023); timm's.

    Args:
        groups: the parameters.
        lr: learning rate; a third to a tenth of adamw's.
        weight_decay: share of the weights, times the learning rate, taken away in each step.
        betas: for the step, and of the moving average of the gradient.
    """
    from timm.optim.lion import Lion

    return Lion(scaled_groups(groups, lr, weight_decay), lr, betas)


@OPTIMIZERS.register("adopt")
def adopt(
    groups: ParameterGroups, *, lr: Rate = 1e-3, weight_decay: Decay = 0.0, betas: Betas = (0.9, 0.9999)
) -> Optimizer:
    """ADOPT, an Adam that converges for any beta2 (Taniguchi et al., 2024); timm's, decay decoupled.

    Args:
        groups: the parameters.
        lr: learning rate.
        weight_decay: share of the weights, times the learning rate, taken away in each step.
        betas: of the moving averages of the gradient and of its square.
    """
    from timm.optim.adopt import Adopt

    scaled = scaled_groups(groups, lr, weight_decay)
    return Adopt(scaled, lr, betas, decoupled=True)

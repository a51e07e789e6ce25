"""Adam and its relatives, of torch: adamw, adam, nadam, radam."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segkit.core.registry import OPTIMIZERS
from segkit.parts.optimizers._groups import fused_on_cpu, scaled_groups
from segkit.parts.optimizers._options import Betas, Decay, Rate

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from segkit.core.types import ParameterGroups


@OPTIMIZERS.register("adamw")
def adamw(
    groups: ParameterGroups,
    *,
    lr: Rate = 1e-3,
    weight_decay: Decay = 0.01,
    betas: Betas = (0.9, 0.999),
    eps: Rate = 1e-8,
    amsgrad: bool = False,
) -> Optimizer:
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019).

    Args:
        groups: the parameters.
        lr: learning rate.
        weight_decay: share of the weights, times the learning rate, taken away in each step.
        betas: of the moving averages of the gradient and of its square.
        eps: added to the root of the second moment.
        amsgrad: keep the largest second moment.
    """
    from torch.optim import AdamW

    scaled = scaled_groups(groups, lr, weight_decay)
    return AdamW(scaled, lr, betas, eps, amsgrad=amsgrad, fused=fused_on_cpu(groups))


@OPTIMIZERS.register("adam")
def adam(
    groups: ParameterGroups,
    *,
    lr: Rate = 1e-3,
    weight_decay: Decay = 0.0,
    betas: Betas = (0.9, 0.999),
    eps: Rate = 1e-8,
    amsgrad: bool = False,
) -> Optimizer:
    """Adam (Kingma and Ba, 2015); weight decay is added to the gradient.

    Args:
        groups: the parameters.
        lr: learning rate.
        weight_decay: times the weights, added to the gradient.
        betas: of the moving averages of the gradient and of its square.
        eps: added to the root of the second moment.
        amsgrad: keep the largest second moment.
    """
    from torch.optim import Adam

    scaled = scaled_groups(groups, lr, weight_decay)
    return Adam(scaled, lr, betas, eps, amsgrad=amsgrad, fused=fused_on_cpu(groups))


@OPTIMIZERS.register("nadam")
def nadam(
    groups: ParameterGroups,
    *,
    lr: Rate = 2e-3,
    weight_decay: Decay = 0.0,
    betas: Betas = (0.9, 0.999),
    eps: Rate = 1e-8,
    decoupled: bool = True,
) -> Optimizer:
    """Adam with Nesterov momentum (Dozat, 2016).

    Args:
        groups: the parameters.
        lr: learning rate.
        weight_decay: as in adamw, or as in adam where it is not decoupled.
        betas: of the moving averages of the gradient and of its square.
        eps: added to the root of the second moment.
        decoupled: whether weight decay leaves the gradient alone.
    """
    from torch.optim import NAdam

    scaled = scaled_groups(groups, lr, weight_decay)
    return NAdam(scaled, lr, betas, eps, decoupled_weight_decay=decoupled)


@OPTIMIZERS.register("radam")
def radam(
    groups: ParameterGroups,
    *,
    lr: Rate = 1e-3,
    weight_decay: Decay = 0.0,
    betas: Betas = (0.9, 0.999),
    eps: Rate = 1e-8,
    decoupled: bool = True,
) -> Optimizer:
    """Rectified Adam, which warms itself up (Liu et al., 2020).

    Args:
        groups: the parameters.
        lr: learning rate.
        weight_decay: as in adamw, or as in adam where it is not decoupled.
        betas: of the moving averages of the gradient and of its square.
        eps: added to the root of the second moment.
        decoupled: whether weight decay leaves the gradient alone.
    """
    from torch.optim import RAdam

    scaled = scaled_groups(groups, lr, weight_decay)
    return RAdam(scaled, lr, betas, eps, decoupled_weight_decay=decoupled)

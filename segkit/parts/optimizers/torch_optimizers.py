"""Optimisers of torch: adamw, adam, nadam, radam, rmsprop, sgd."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segkit.core.errors import PartError
from segkit.core.registry import OPTIMIZERS
from segkit.parts.optimizers._groups import Beta, Betas, Decay, Rate, fused_on_cpu, scaled_groups

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
        groups: parameter groups.
        lr: learning rate.
        weight_decay: decoupled decay: lr * weight_decay * weights are subtracted in each step.
        betas: decay rates of the moving averages of the gradient and its square.
        eps: value added to the root of the second moment.
        amsgrad: use the maximum of all second moments.
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
    """Adam with L2 weight decay (Kingma and Ba, 2015).

    Args:
        groups: parameter groups.
        lr: learning rate.
        weight_decay: L2 penalty: weight_decay * weights are added to the gradient.
        betas: decay rates of the moving averages of the gradient and its square.
        eps: value added to the root of the second moment.
        amsgrad: use the maximum of all second moments.
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
        groups: parameter groups.
        lr: learning rate.
        weight_decay: weight decay, applied as in adamw, or as in adam if not decoupled.
        betas: decay rates of the moving averages of the gradient and its square.
        eps: value added to the root of the second moment.
        decoupled: apply weight decay to the weights instead of the gradient.
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
    """Rectified Adam, with a built-in warm-up (Liu et al., 2020).

    Args:
        groups: parameter groups.
        lr: learning rate.
        weight_decay: weight decay, applied as in adamw, or as in adam if not decoupled.
        betas: decay rates of the moving averages of the gradient and its square.
        eps: value added to the root of the second moment.
        decoupled: apply weight decay to the weights instead of the gradient.
    """
    from torch.optim import RAdam

    scaled = scaled_groups(groups, lr, weight_decay)
    return RAdam(scaled, lr, betas, eps, decoupled_weight_decay=decoupled)


@OPTIMIZERS.register("rmsprop")
def rmsprop(
    groups: ParameterGroups,
    *,
    lr: Rate = 0.01,
    alpha: Beta = 0.99,
    eps: Rate = 1e-8,
    momentum: Beta = 0.0,
    centered: bool = False,
    weight_decay: Decay = 0.0,
) -> Optimizer:
    """RMSprop (Tieleman and Hinton, 2012).

    Args:
        groups: parameter groups.
        lr: learning rate.
        alpha: decay rate of the moving average of the squared gradient.
        eps: value added to the root of that average.
        momentum: momentum factor.
        centered: normalise by the estimated standard deviation of the gradient.
        weight_decay: L2 penalty: weight_decay * weights are added to the gradient.
    """
    from torch.optim import RMSprop

    scaled = scaled_groups(groups, lr, weight_decay)
    return RMSprop(scaled, lr, alpha, eps, momentum=momentum, centered=centered)


@OPTIMIZERS.register("sgd")
def sgd(
    groups: ParameterGroups,
    *,
    lr: Rate = 0.01,
    momentum: Beta = 0.9,
    weight_decay: Decay = 0.0,
    nesterov: bool = False,
) -> Optimizer:
    """Stochastic gradient descent with momentum.

    Args:
        groups: parameter groups.
        lr: learning rate.
        momentum: momentum factor.
        weight_decay: L2 penalty: weight_decay * weights are added to the gradient.
        nesterov: use Nesterov momentum; needs a momentum above 0.

    Raises:
        PartError: for nesterov without momentum.
    """
    from torch.optim import SGD

    if nesterov and not momentum:
        raise PartError("sgd: nesterov needs a momentum above 0", hint="optimizer.momentum=0.9")
    scaled = scaled_groups(groups, lr, weight_decay)
    return SGD(scaled, lr, momentum, nesterov=nesterov, fused=fused_on_cpu(groups))

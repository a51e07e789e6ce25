"""Stochastic gradient descent of torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segkit.core.errors import PartError
from segkit.core.registry import OPTIMIZERS
from segkit.parts.optimizers._groups import fused_on_cpu, scaled_groups
from segkit.parts.optimizers._options import Beta, Decay, Rate

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from segkit.core.types import ParameterGroups


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

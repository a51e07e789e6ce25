"""Stochastic gradient descent, of torch."""

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
        groups: the parameters.
        lr: learning rate.
        momentum: share of the former step that is kept.
        weight_decay: times the weights, added to the gradient.
        nesterov: look ahead along the momentum; needs one above 0.

    Raises:
        PartError: for nesterov without momentum.
    """
    from torch.optim import SGD

    if nesterov and not momentum:
        raise PartError("sgd: nesterov needs a momentum above 0", hint="optimizer.momentum=0.9")
    scaled = scaled_groups(groups, lr, weight_decay)
    return SGD(scaled, lr, momentum, nesterov=nesterov, fused=fused_on_cpu(groups))

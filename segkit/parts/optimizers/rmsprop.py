"""RMSprop of torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segkit.core.registry import OPTIMIZERS
from segkit.parts.optimizers._groups import scaled_groups
from segkit.parts.optimizers._options import Beta, Decay, Rate

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from segkit.core.types import ParameterGroups


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

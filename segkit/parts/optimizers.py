"""Optimisers of torch and timm. Their defaults hold, but weight decay is decoupled by choice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from segkit.core.registry import OPTIMIZERS

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from segkit.core.types import ParameterGroups

Rate = Annotated[float, Field(gt=0)]
Decay = Annotated[float, Field(ge=0)]
Beta = Annotated[float, Field(ge=0, lt=1)]
Betas = tuple[Beta, Beta]


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

    scaled = _scaled(groups, lr, weight_decay)
    return AdamW(scaled, lr, betas, eps, amsgrad=amsgrad, fused=_on_cpu(groups))


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

    scaled = _scaled(groups, lr, weight_decay)
    return Adam(scaled, lr, betas, eps, amsgrad=amsgrad, fused=_on_cpu(groups))


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

    scaled = _scaled(groups, lr, weight_decay)
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

    scaled = _scaled(groups, lr, weight_decay)
    return RAdam(scaled, lr, betas, eps, decoupled_weight_decay=decoupled)


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

    from segkit.core.errors import PartError

    if nesterov and not momentum:
        raise PartError("sgd: nesterov needs a momentum above 0", hint="optimizer.momentum=0.9")
    scaled = _scaled(groups, lr, weight_decay)
    return SGD(scaled, lr, momentum, nesterov=nesterov, fused=_on_cpu(groups))


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
        groups: the parameters.
        lr: learning rate.
        alpha: of the moving average of the squared gradient.
        eps: added to its root.
        momentum: share of the former step that is kept.
        centered: divide by the estimated standard deviation.
        weight_decay: times the weights, added to the gradient.
    """
    from torch.optim import RMSprop

    scaled = _scaled(groups, lr, weight_decay)
    return RMSprop(scaled, lr, alpha, eps, momentum=momentum, centered=centered)


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

    return Lamb(_scaled(groups, lr, weight_decay), lr, betas=betas)


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

    return Lion(_scaled(groups, lr, weight_decay), lr, betas)


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

    scaled = _scaled(groups, lr, weight_decay)
    return Adopt(scaled, lr, betas, decoupled=True)


def _scaled(groups: ParameterGroups, lr: float, weight_decay: float) -> list[dict[str, object]]:
    """Each group with its own learning rate, and without decay where none is due."""
    return [
        {
            "params": group["params"],
            "lr": lr * float(group["lr_factor"]),  # type: ignore[arg-type]
            "weight_decay": weight_decay if group["decay"] else 0.0,
        }
        for group in groups
    ]


def _on_cpu(groups: ParameterGroups) -> bool | None:
    """Whether one pass over memory may do a whole step; None leaves it to torch.

    On GPUs torch's own choice is nearly as fast, and a fused step and clipped 16-mixed gradients exclude
    each other.
    """
    tensors = [parameter for group in groups for parameter in group["params"]]  # type: ignore[union-attr]
    return True if all(parameter.device.type == "cpu" for parameter in tensors) else None

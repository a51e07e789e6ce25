"""Parameter groups as torch's optimisers take them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segkit.core.types import ParameterGroups


def scaled_groups(groups: ParameterGroups, lr: float, weight_decay: float) -> list[dict[str, object]]:
    """Each group with its own learning rate, and without decay where none is due."""
    return [
        {
            "params": group["params"],
            "lr": lr * float(group["lr_factor"]),  # type: ignore[arg-type]
            "weight_decay": weight_decay if group["decay"] else 0.0,
        }
        for group in groups
    ]


def fused_on_cpu(groups: ParameterGroups) -> bool | None:
    """Whether one pass over memory may do a whole step; None leaves it to torch.

    On GPUs torch's own choice is nearly as fast, and a fused step and clipped 16-mixed gradients exclude
    each other.
    """
    tensors = [parameter for group in groups for parameter in group["params"]]  # type: ignore[union-attr]
    return True if all(parameter.device.type == "cpu" for parameter in tensors) else None

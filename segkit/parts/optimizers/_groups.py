"""Option types and parameter groups of the optimisers. No torch: the registry reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

if TYPE_CHECKING:
    from segkit.core.types import ParameterGroups

Rate = Annotated[float, Field(gt=0)]
Decay = Annotated[float, Field(ge=0)]
Beta = Annotated[float, Field(ge=0, lt=1)]
Betas = tuple[Beta, Beta]


def scaled_groups(groups: ParameterGroups, lr: float, weight_decay: float) -> list[dict[str, object]]:
    """Groups with learning rate and weight decay as numbers."""
    return [
        {
            "params": group["params"],
            "lr": lr * float(group["lr_factor"]),  # type: ignore[arg-type]
            "weight_decay": weight_decay if group["decay"] else 0.0,
        }
        for group in groups
    ]


def fused_on_cpu(groups: ParameterGroups) -> bool | None:
    """True on the CPU, else None, torch's default.

    On GPUs torch's default is nearly as fast, and a fused step does not allow clipping of 16-mixed gradients.
    """
    tensors = [parameter for group in groups for parameter in group["params"]]  # type: ignore[union-attr]
    return True if all(parameter.device.type == "cpu" for parameter in tensors) else None

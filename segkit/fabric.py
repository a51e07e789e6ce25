"""Lightning Fabric behind one door: devices and precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from lightning_fabric import Fabric

if TYPE_CHECKING:
    from segkit.recipe.schema import TrainingSettings


def make_fabric(settings: TrainingSettings) -> Fabric:
    """The engine that a recipe's `training` asks for.

    Raises:
        RuntimeError: of Fabric, if the accelerator is not there.
    """
    if settings.deterministic:
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
    accelerator = _accelerator() if settings.accelerator == "auto" else settings.accelerator
    precision: Any = settings.precision
    if precision == "auto":
        half = accelerator in ("cuda", "gpu") and torch.cuda.is_bf16_supported()
        precision = "bf16-mixed" if half else "32-true"
    return Fabric(accelerator=accelerator, devices=settings.devices, precision=precision)


def _accelerator() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def device_name(device: torch.device) -> str:
    """A device in words: "cpu, 2 threads", "cuda: NVIDIA H100"."""
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    return f"{device.type}, {torch.get_num_threads()} threads" if device.type == "cpu" else device.type

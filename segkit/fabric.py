"""Lightning Fabric behind one door: devices and precision."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from segkit.errors import SegkitError
from segkit.memory import keep_freed_memory

# Fabric asks for torchmetrics' version by importing it, which takes a second and brings nothing that is used.
_hidden = {} if "torchmetrics" in sys.modules else {"torchmetrics": None}
sys.modules.update(_hidden)  # type: ignore[arg-type]
try:
    from lightning_fabric import Fabric
finally:
    for _name in _hidden:
        del sys.modules[_name]

if TYPE_CHECKING:
    from segkit.recipe.schema import TrainingSettings

_WHOLE = {"bf16-true": torch.bfloat16, "64-true": torch.float64}


def make_fabric(settings: TrainingSettings) -> Fabric:
    """The engine that a recipe's `training` asks for.

    Raises:
        SegkitError: if this machine has no such accelerator, or the accelerator no such precision.
    """
    accelerator, precision = choose_device(settings)
    # cuBLAS reads this when it first starts; without it torch refuses to be deterministic on a GPU.
    if settings.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(settings.deterministic)
    if accelerator == "cpu":
        keep_freed_memory()
    chosen: Any = precision
    return Fabric(accelerator=accelerator, devices=settings.devices, precision=chosen)


def choose_device(settings: TrainingSettings) -> tuple[str, str]:
    """Accelerator and precision, where the recipe leaves them to segkit too.

    Raises:
        SegkitError: if this machine has no such accelerator, or the accelerator no such precision.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    best = next(name for name, found in there.items() if found)
    accelerator = best if settings.accelerator == "auto" else settings.accelerator
    if accelerator == "gpu":
        accelerator = best if best != "cpu" else "gpu"
    if not there.get(accelerator):
        raise SegkitError(
            f"training.accelerator: this machine has no {accelerator} that torch can use",
            hint=f"training.accelerator=auto takes what is there: {best}",
        )
    precision = settings.precision
    if precision == "auto":
        half = accelerator == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        precision = "bf16-mixed" if half else "32-true"
    if (accelerator, precision) in {("cpu", "16-mixed"), ("mps", "64-true")}:
        raise SegkitError(
            f"training.precision: {accelerator} does not compute in {precision}",
            hint="training.precision=auto, bf16-mixed or 32-true",
        )
    return accelerator, precision


def place(model: nn.Module, fabric: Fabric, settings: TrainingSettings) -> None:
    """Bring a model to its device, to its precision, and into its memory order."""
    dtype = _WHOLE.get(choose_device(settings)[1])
    model.to(device=fabric.device, dtype=dtype, memory_format=memory_order(settings))  # type: ignore[call-overload]


def memory_order(settings: TrainingSettings) -> torch.memory_format:
    """How tensors lie in memory: channels-last convolutions are the faster ones on CPUs and GPUs alike."""
    return torch.channels_last if settings.channels_last else torch.contiguous_format


def device_name(device: torch.device) -> str:
    """A device in words: "cpu, 2 threads", "cuda: NVIDIA H100"."""
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    return f"{device.type}, {torch.get_num_threads()} threads" if device.type == "cpu" else device.type

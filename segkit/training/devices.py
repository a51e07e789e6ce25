"""Lightning Fabric behind one door: devices, precision and processes."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from segkit.core.errors import SegkitError
from segkit.training.malloc import keep_freed_memory

# Fabric asks for torchmetrics' version by importing it, which takes a second and brings nothing that is used.
_hidden = {} if "torchmetrics" in sys.modules else {"torchmetrics": None}
sys.modules.update(_hidden)  # type: ignore[arg-type]
try:
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment
    from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
    from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
    from lightning_fabric.strategies.ddp import DDPStrategy
finally:
    for _name in _hidden:
        del sys.modules[_name]

if TYPE_CHECKING:
    from segkit.recipe.schema import TrainingSettings
    from segkit.training.distributed.rank import RankInfo

_WHOLE = {"bf16-true": torch.bfloat16, "64-true": torch.float64}
# Said outright, as Fabric takes a batch script of SLURM for a process that srun has started.
_ENVIRONMENTS = {
    "segkit": LightningEnvironment, "torchrun": TorchElasticEnvironment, "srun": SLURMEnvironment,
}  # fmt: skip


def make_fabric(settings: TrainingSettings, rank_info: RankInfo | None = None) -> Fabric:
    """The engine that a recipe's `training` asks for.

    Args:
        settings: the recipe's `training`.
        rank_info: of this process among others that train with it; one that is alone takes one device.

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
    if rank_info is None:
        return Fabric(accelerator=accelerator, devices=1, precision=chosen, plugins=[LightningEnvironment()])
    # It would tell of every process that it connects.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    fabric = Fabric(
        accelerator=accelerator,
        devices=rank_info.here,
        num_nodes=rank_info.processes // rank_info.here,
        # Parameters may get no gradient: those of encoder stages that no decoder looks at. The first step
        # tells which, where the graph is static; to look for them in every step costs time.
        strategy=DDPStrategy(static_graph=True, gradient_as_bucket_view=True),
        precision=chosen,
        plugins=[_ENVIRONMENTS[rank_info.launcher]()],
    )
    fabric.launch()  # starts nothing, as all are there: it connects them
    return fabric


def count_processes(settings: TrainingSettings, rank_info: RankInfo | None) -> int:
    """How many processes train together, 0 for one that is alone.

    Args:
        settings: the recipe's `training`.
        rank_info: that a launcher gave to this process.

    Raises:
        SegkitError: if the recipe's `devices` and `num_nodes` cannot be had here, or are not those that a
            launcher has started.
    """
    accelerator, _ = choose_device(settings)
    each = settings.devices
    if each == "auto":
        each = rank_info.here if rank_info else torch.cuda.device_count() if accelerator == "cuda" else 1
    if accelerator != "cpu" and each > (there := 1 if accelerator == "mps" else torch.cuda.device_count()):
        raise SegkitError(
            f"training.devices: the recipe wants {each} {accelerator} devices, and this machine has {there}",
            hint=f"training.devices={there}, or auto",
        )
    if rank_info is None and settings.num_nodes > 1:
        raise SegkitError(
            f"training.num_nodes: nothing has started segkit on {settings.num_nodes} machines",
            hint="torchrun or srun starts it on each of them; see docs/several_devices.md",
        )
    if rank_info and (rank_info.here, rank_info.processes) != (each, each * settings.num_nodes):
        started, machines = rank_info.launcher, rank_info.processes // rank_info.here
        raise SegkitError(
            f"training.devices: {started} has started {rank_info.here} on each of {machines} machines, "
            f"and the recipe wants {each} on each of {settings.num_nodes}",
            hint=f"--set training.devices={rank_info.here} --set training.num_nodes={machines}",
        )
    together = each * settings.num_nodes
    if settings.compile and together > 1:
        raise SegkitError(
            f"training.compile: a model that {together} processes train together is not compiled",
            hint="training.compile=false, or training.devices=1",
        )
    return together if together > 1 or settings.strategy == "ddp" else 0


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


def precision_of(fabric: Fabric) -> str:
    """The precision that a fabric computes in, as recipes name it."""
    return str(fabric.strategy.precision.precision)


def move_to_device(model: nn.Module, fabric: Fabric, settings: TrainingSettings) -> None:
    """Bring a model to its device, to its precision, and into its memory order."""
    dtype = _WHOLE.get(precision_of(fabric))
    model.to(device=fabric.device, dtype=dtype, memory_format=memory_format(settings))  # type: ignore[call-overload]


def async_item(value: Tensor) -> Callable[[], float]:
    """`value.item()` in two halves: this starts the copy from the device, the returned call waits for it.

    On CUDA it does not wait for what is queued in between, such as a backward pass.
    """
    if not value.is_cuda:
        return value.item
    copy = value.detach().to("cpu", non_blocking=True)  # into pinned memory: queued, not done
    copied = torch.cuda.current_stream(value.device).record_event()

    def item() -> float:
        copied.synchronize()
        return copy.item()

    return item


def memory_format(settings: TrainingSettings) -> torch.memory_format:
    """How tensors lie in memory: channels-last convolutions are the faster ones on CPUs and GPUs alike."""
    return torch.channels_last if settings.channels_last else torch.contiguous_format


def device_name(device: torch.device) -> str:
    """A device in words: "cpu, 2 threads", "cuda: NVIDIA H100"."""
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    return f"{device.type}, {torch.get_num_threads()} threads" if device.type == "cpu" else device.type

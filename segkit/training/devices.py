"""Devices, precision and processes: the interface to Lightning Fabric."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from segkit.core.errors import SegkitError
from segkit.training.distributed.rank import LAUNCHED_BY
from segkit.training.malloc import keep_freed_memory
from segkit.utils.listing import counted

# Fabric imports torchmetrics to check its version, which takes a second and is not needed.
_hidden = {} if "torchmetrics" in sys.modules else {"torchmetrics": None}
sys.modules.update(_hidden)  # type: ignore[arg-type]
# It reads these as numbers, whoever has set them; if they are none, no launcher has.
for _name in ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK"):
    if not os.environ.get(_name, "0").isdecimal():
        del os.environ[_name]
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
    from segkit.recipe.training_settings import TrainingSettings
    from segkit.training.distributed.rank import RankInfo

_MODEL_DTYPES = {"bf16-true": torch.bfloat16, "64-true": torch.float64}
# Explicit, as Fabric mistakes a SLURM batch script for a process started by srun.
_ENVIRONMENTS = {"torchrun": TorchElasticEnvironment, "srun": SLURMEnvironment}


def make_fabric(settings: TrainingSettings, rank_info: RankInfo | None = None) -> Fabric:
    """A connected Fabric for a recipe's `training`.

    Args:
        settings: the recipe's `training`.
        rank_info: rank of this process; None for a single process on one device.

    Raises:
        SegkitError: if this machine lacks the accelerator, or the accelerator lacks the precision.
    """
    accelerator, precision = choose_device(settings)
    # cuBLAS reads this once, at its start; torch requires it for determinism on a GPU.
    if settings.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(settings.deterministic)
    if accelerator == "cpu":
        keep_freed_memory()
    options: Any = {"accelerator": accelerator, "precision": precision}
    if rank_info is None:
        return Fabric(**options, devices=1, plugins=[LightningEnvironment()])
    # Fabric logs a line for every process that it connects.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    fabric = Fabric(
        **options,
        devices=rank_info.local_world_size,
        num_nodes=rank_info.nodes,
        # Encoder stages that the decoder does not use get no gradient. With a static graph DDP finds them in
        # the first step; find_unused_parameters would search in every step.
        strategy=DDPStrategy(static_graph=True, gradient_as_bucket_view=True),
        plugins=[_ENVIRONMENTS[rank_info.launcher]()],
    )
    fabric.launch()  # connects the processes, which are already running
    return fabric


def count_processes(settings: TrainingSettings, rank_info: RankInfo | None) -> int:
    """Number of processes that train together; 0 for a single process without DDP.

    Args:
        settings: the recipe's `training`.
        rank_info: rank of this process if a launcher started it.

    Raises:
        SegkitError: if the recipe's `devices` and `num_nodes` are not available, or differ from what the
            launcher started, or it started unequal numbers on the machines.
    """
    if rank_info and not rank_info.even:
        raise SegkitError(
            f"training.devices: {rank_info.launcher} started {rank_info.world_size} processes on "
            f"{rank_info.nodes} machines, not equally many on each",
            hint="srun --ntasks-per-node=N; "
            f"if {rank_info.launcher} did not start this command: unset {LAUNCHED_BY[rank_info.launcher]}",
        )
    accelerator, _ = choose_device(settings)
    available = 1 if accelerator == "mps" else torch.cuda.device_count()
    devices, nodes = settings.devices, settings.num_nodes
    if devices == "auto":
        devices = rank_info.local_world_size if rank_info else available if accelerator == "cuda" else 1
    if accelerator != "cpu" and devices > available:
        raise SegkitError(
            f"training.devices: the recipe needs {devices} {accelerator} devices; "
            f"this machine has {available}",
            hint=f"training.devices={available}, or auto",
        )
    if rank_info is None and nodes > 1:
        raise SegkitError(
            f"training.num_nodes: segkit was not started on {nodes} machines",
            hint="start it on each of them with torchrun or srun; see docs/several_devices.md",
        )
    if rank_info and (rank_info.local_world_size, rank_info.world_size) != (devices, devices * nodes):
        local, machines, launcher = rank_info.local_world_size, rank_info.nodes, rank_info.launcher
        raise SegkitError(
            f"training.devices: {launcher} started {local} processes on each of "
            f"{machines} machines; the recipe needs {devices} on each of {nodes}",
            hint=f"training.devices={local} with training.num_nodes={machines}; "
            f"if {launcher} did not start this command: unset {LAUNCHED_BY[launcher]}",
        )
    processes = devices * nodes
    if settings.compile and processes > 1:
        raise SegkitError(
            f"training.compile: compilation is not supported with {processes} processes",
            hint="training.compile=false, or training.devices=1",
        )
    return processes if processes > 1 else 0


def choose_device(settings: TrainingSettings) -> tuple[str, str]:
    """Accelerator and precision, with "auto" resolved.

    Raises:
        SegkitError: if this machine lacks the accelerator, or the accelerator lacks the precision.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    best = next(name for name, usable in available.items() if usable)
    accelerator = best if settings.accelerator == "auto" else settings.accelerator
    if accelerator == "gpu":
        accelerator = best if best != "cpu" else "gpu"
    if not available.get(accelerator):
        raise SegkitError(
            f"training.accelerator: this machine has no {accelerator} that torch can use",
            hint=f"training.accelerator=auto selects {best}",
        )
    precision = settings.precision
    if precision == "auto":
        half = accelerator == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        precision = "bf16-mixed" if half else "32-true"
    if (accelerator, precision) in {("cpu", "16-mixed"), ("mps", "64-true")}:
        raise SegkitError(
            f"training.precision: {accelerator} does not support {precision}",
            hint="training.precision=auto, bf16-mixed or 32-true",
        )
    return accelerator, precision


def precision_of(fabric: Fabric) -> str:
    """Precision of a fabric, as in recipes."""
    return str(fabric.strategy.precision.precision)


def move_to_device(model: nn.Module, fabric: Fabric, settings: TrainingSettings) -> None:
    """Move a model to the fabric's device, precision and memory format."""
    dtype = _MODEL_DTYPES.get(precision_of(fabric))
    model.to(device=fabric.device, dtype=dtype, memory_format=memory_format(settings))  # type: ignore[call-overload]


def async_item(value: Tensor) -> Callable[[], float]:
    """Start copying a scalar to the CPU; the returned function waits for it.

    On CUDA it does not wait for work queued later, such as a backward pass.
    """
    if not value.is_cuda:
        return value.item
    copy = value.detach().to("cpu", non_blocking=True)  # queued
    copied = torch.cuda.current_stream(value.device).record_event()

    def item() -> float:
        copied.synchronize()
        return copy.item()

    return item


def memory_format(settings: TrainingSettings) -> torch.memory_format:
    """Memory format of the tensors; channels-last convolutions are faster on CPUs and GPUs."""
    return torch.channels_last if settings.channels_last else torch.contiguous_format


def device_name(device: torch.device) -> str:
    """Description of a device: "cpu, 2 threads", "cuda: NVIDIA H100"."""
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    return f"cpu, {counted(torch.get_num_threads(), 'thread')}" if device.type == "cpu" else device.type

"""What runs in several processes at once: the functions that children of tests are told to call."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from segkit.training.distributed.global_batch import global_batch
from segkit.training.distributed.sharding import BatchShard, gather_batch
from segkit.utils.subprocesses import run_in_subprocesses

IMAGES = 5

PLUGIN = '''
import os, signal
import torch
from segkit import LOSSES

@LOSSES.register("faulty")
def faulty(task, *, how: str = "raise"):
    """Fails in the second process alone.

    Args:
        how: it fails.
    """
    def loss(logits, target):
        if torch.is_grad_enabled() and (os.environ.get("RANK") or os.environ.get("SLURM_PROCID")) == "1":
            if how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise RuntimeError("broken on purpose")
        return logits.float().square().mean()
    return loss
'''


def in_processes(case: str, folder: Path, processes: int = 2) -> list[Any]:
    """What a case gives in each of so many connected processes."""
    calls = [(case, rank, processes, str(folder / "meeting")) for rank in range(processes)]
    found: dict[int, Any] = {}
    for number, value in run_in_subprocesses("tests.several:computed", calls, at_once=processes):
        if isinstance(value, Exception):
            raise value
        found[number] = value
    return [found[rank] for rank in range(processes)]


def computed(case: str, rank: int, processes: int, meeting: str) -> Iterator[Any]:
    """In a child: one case on this process's share of the images."""
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=processes)
    yield CASES[case](BatchShard(IMAGES, rank, processes))
    dist.destroy_process_group()


def normalised(share: BatchShard) -> dict[str, Any]:
    """Batch normalisation: maps, gradients and running statistics."""
    torch.manual_seed(0)
    image = torch.randn(IMAGES, 3, 4, 4, dtype=torch.float64) * 2 + 100
    found: dict[str, Any] = {}
    for name, norm in {
        "usual": nn.BatchNorm2d(3), "bare": nn.BatchNorm2d(3, affine=False, track_running_stats=False),
        "counting": nn.BatchNorm2d(3, momentum=None),
    }.items():  # fmt: skip
        norm.double()
        own = image[share.slice].clone().to(memory_format=torch.channels_last).requires_grad_()
        with global_batch(share):
            out = norm(own)
        gather_batch(out, share).sin().sum().backward()
        found[name] = {
            "out": out.tolist(), "towards": own.grad.tolist(),
            **{key: value.tolist() for key, value in norm.state_dict().items()},
            **{f"towards {key}": value.grad.tolist() for key, value in norm.named_parameters()},
        }  # fmt: skip
    return found


def normalised_in_half_precision(share: BatchShard) -> dict[str, Any]:
    torch.manual_seed(0)
    image = torch.randn(IMAGES, 3, 4, 4)
    norm = nn.BatchNorm2d(3)
    own = image[share.slice].bfloat16().requires_grad_()
    with global_batch(share):
        out = norm(own)
    gather_batch(out, share).float().sin().sum().backward()
    return {
        "dtypes": [str(one.dtype) for one in (out, own.grad, norm.weight.grad, norm.running_var)],
        "out": out.tolist(), "running_var": norm.running_var.tolist(),
    }  # fmt: skip


def drawn(share: BatchShard) -> dict[str, Any]:
    """Everything that draws, one after the other out of one random state."""
    torch.manual_seed(0)
    image = torch.arange(1.0, IMAGES * 2 * 3 * 3 + 1).view(IMAGES, 2, 3, 3)
    last = image.to(memory_format=torch.channels_last)
    found: dict[str, Tensor] = {}
    with global_batch(share):
        own = image[share.slice]
        found["dropout"] = F.dropout(own, 0.5)
        found["channels last"] = F.dropout(last[share.slice], 0.5)
        found["in place"] = F.dropout(own.clone(), 0.5, inplace=True)
        found["maps"] = F.dropout2d(own, 0.5)
        found["rows"] = F.dropout1d(own[..., 0], 0.5)
        found["windows"] = F.dropout(own.reshape(-1, 3, 3), 0.5).view_as(own)  # two rows for each image
        found["paths"] = own.new_empty(len(own), 1, 1, 1).bernoulli_(0.5)
        found["in evaluation"] = F.dropout(own, 0.5, training=False)
        found["afterwards"] = torch.rand(1)
    return {name: value.tolist() for name, value in found.items()}


def gathered(share: BatchShard) -> dict[str, Any]:
    """The rows of all, with gradients of one's own."""
    own = torch.arange(float(IMAGES))[share.slice].requires_grad_()
    whole = gather_batch(own, share)
    (whole.sum() ** 2).backward()
    return {"whole": whole.tolist(), "towards": own.grad.tolist()}


CASES = {one.__name__: one for one in (normalised, normalised_in_half_precision, drawn, gathered)}


def under_srun(rank: int, processes: int) -> dict[str, str]:
    """The environment that srun gives to a process."""
    return {
        **os.environ, "SLURM_STEP_ID": "0", "SLURM_JOB_ID": "123", "SLURM_JOB_NAME": "train",
        "SLURM_NTASKS": str(processes), "SLURM_NTASKS_PER_NODE": str(processes), "SLURM_NNODES": "1",
        "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank), "SLURM_NODEID": "0",
        "MASTER_ADDR": "127.0.0.1",
    }  # fmt: skip


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])

"""What tests of several processes need: a loss that fails in one of them, and the variables of srun."""

from __future__ import annotations

import os
import socket

PLUGIN = '''
import os, signal
from pathlib import Path
import torch
from torch import nn
from segkit import DECODERS, LOSSES

RANK = os.environ.get("RANK") or os.environ.get("SLURM_PROCID")

@LOSSES.register("faulty")
def faulty(task, *, how: str = "raise", at: int = 0, once: str = ""):
    """Fails in the second process alone.

    Args:
        how: it fails.
        at: training step at which it fails; 0 is before training.
        once: file that is made when it fails; it does not fail if it is there.
    """
    steps = 0

    def loss(logits, target):
        nonlocal steps
        steps += logits.requires_grad and logits.shape[-1] == 64  # not the example
        if RANK == "1" and torch.is_grad_enabled() and steps == at and not (once and Path(once).exists()):
            if once:
                Path(once).touch()
            if how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if how == "stop":
                os.kill(os.getppid(), signal.SIGTERM)
            if how == "raise":
                raise RuntimeError("broken on purpose")
            if how == "nan":
                return logits.float().mean() * torch.nan
        return logits.float().square().mean()
    return loss

@DECODERS.register("plain", features="last")
def plain(pyramid):
    """A convolution, without BatchNorm."""
    class Plain(nn.Conv2d):
        def forward(self, maps):
            return super().forward(maps[-1])
    return Plain(pyramid.channels[-1], 4, 1)
'''


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

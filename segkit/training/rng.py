"""Random state of torch, NumPy and Python."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def seed_everything(seed: int, epoch: int, rank: int = 0, step: int = 0) -> None:
    """Seed all generators from these numbers alone.

    Args:
        seed: seed of the run.
        epoch: epoch that begins or goes on.
        rank: rank of this process: each draws its own numbers.
        step: steps of the epoch that are done already.
    """
    mixed = int(np.random.SeedSequence([seed, epoch, rank, step]).generate_state(1, np.uint64)[0])
    torch.manual_seed(mixed)
    np.random.seed(mixed % 2**32)  # third-party parts may use these two
    random.seed(mixed)


def random_state() -> dict[str, Any]:
    """The state of all generators, as plain data and tensors."""
    name, keys, *rest = np.random.get_state()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        "numpy": [name, torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest],
        "random": random.getstate(),
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Restore a state of `random_state`."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    random.setstate(state["random"])

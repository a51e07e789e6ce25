"""All that draws numbers in this process: seeded, asked where it is, and set there again."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def seed_everything(seed: int, epoch: int) -> None:
    """Begin an epoch: dropout and the like are drawn from seed and epoch alone, whatever was drawn before."""
    mixed = int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0])
    torch.manual_seed(mixed)
    np.random.seed(mixed % 2**32)  # parts of others may draw from these
    random.seed(mixed)


def random_state() -> dict[str, Any]:
    """Where all of them are, as plain data and tensors."""
    name, keys, *rest = np.random.get_state()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        "numpy": [name, torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest],
        "random": random.getstate(),
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Go on from where they were."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    random.setstate(state["random"])

"""Random states that parts leave alone, and states that are saved and loaded."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from segkit.core.errors import PartError
from segkit.training.tensor_file import Unsavable, read_state, write_state


@contextmanager
def global_seed(seed: int) -> Iterator[None]:
    """Seed the global states of random, numpy and torch; afterwards they are as they were."""
    before = random.getstate(), np.random.get_state(), torch.default_generator.get_state()
    try:
        random.seed(seed)
        np.random.seed(seed)
        torch.default_generator.manual_seed(seed)
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.default_generator.set_state(before[2])


def saved_and_loaded(state: dict[str, Any], what: str) -> dict[str, Any]:
    """A state as a resumed run finds it.

    Args:
        state: of an optimizer or a schedule.
        what: it is, for messages.

    Raises:
        PartError: if it holds what a checkpoint cannot hold.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "state.safetensors"
        try:
            write_state(file, state)
        except Unsavable as error:
            raise PartError(
                f"the state of the {what} cannot be saved: {error}",
                hint="keep numbers, words, tensors, lists and dicts; a torch schedule saves its attributes",
            ) from error
        loaded: dict[str, Any] = read_state(file)
    return loaded

"""Global random states, which parts leave alone, and saved states, from which a run goes on."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from segkit.testing.check import require
from segkit.training.tensor_file import Unsavable, read_state, write_state


@contextmanager
def global_seed(seed: int) -> Iterator[Callable[[], list[str]]]:
    """Seed what every library may draw from; afterwards it is as it was.

    Args:
        seed: of the states of random, numpy and torch.

    Yields:
        A function that names those whose state is no longer what the seed made it.
    """
    before = random.getstate(), np.random.get_state(), torch.default_generator.get_state()
    try:
        random.seed(seed)
        np.random.seed(seed)
        torch.default_generator.manual_seed(seed)
        seeded = _states()
        yield lambda: [name for name, state in _states().items() if state != seeded[name]]
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.default_generator.set_state(before[2])


def saved_and_loaded(state: dict[str, Any], what: str) -> dict[str, Any]:
    """A state as a resumed run finds it: plain data and tensors, whose file holds no code.

    Args:
        state: of an optimiser or a schedule.
        what: it is, for messages.

    Raises:
        ContractError: if it cannot be written so.
    """
    hint = "keep numbers, words, tensors, lists and dicts of them; a torch schedule saves its attributes"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "state.safetensors"
        try:
            write_state(file, state)
        except Unsavable as error:
            require(False, f"the state of the {what} cannot be saved: {error}", hint)
        loaded: dict[str, Any] = read_state(file)
    return loaded


def _states() -> dict[str, object]:
    name, key, *rest = np.random.get_state()
    return {
        "random": random.getstate(),
        "numpy.random": (name, np.asarray(key).tobytes(), *rest),
        "torch": torch.default_generator.get_state().numpy().tobytes(),
    }

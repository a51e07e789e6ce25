"""Saving and loading: weights as safetensors, training state beside them. No code of a file is run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from segkit.errors import SegkitError

if TYPE_CHECKING:
    from segkit.fit import Learner


def save_weights(model: nn.Module, path: Path) -> None:
    """Write a model's parameters and buffers; the file appears whole or not at all."""
    order = torch.contiguous_format
    tensors = {  # cloned, as safetensors refuses tensors that share memory, and tied weights do
        name: tensor.detach().cpu().clone(memory_format=order) for name, tensor in model.state_dict().items()
    }
    _atomically(path, lambda temporary: save_file(tensors, temporary))


def load_weights(model: nn.Module, path: Path) -> None:
    """Read a model's parameters and buffers, all of them and no others.

    Raises:
        SegkitError: if the file is missing, damaged, or of another model.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else _first_line(error)
        raise SegkitError(f"the checkpoint cannot be read: {reason}", where=str(path)) from error
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        problem = "the checkpoint is of another model"
        hint = "the recipe beside it builds the model it is of"
        detail = ": ".join(line.strip().rstrip(": .") for line in str(error).splitlines()[1:2])
        raise SegkitError(f"{problem}: {detail}", where=str(path), hint=hint) from error


def save_state(learner: Learner, path: Path) -> None:
    """Write what is needed to go on training after the learner's epoch; `torch.load` needs no code for it."""
    state = {
        "model": learner.model.state_dict(),
        "optimizer": learner.optimizer.state_dict(),
        "schedule": learner.schedule.state_dict(),
        "average": learner.average.state_dict() if learner.average else None,
        "epoch": learner.epoch,
        "best_epoch": learner.best_epoch,
        "best_score": learner.best_score,
    }
    _atomically(path, lambda temporary: torch.save(state, temporary))


def _atomically(path: Path, write: Callable[[Path], None]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)

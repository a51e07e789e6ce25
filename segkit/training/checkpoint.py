"""What a run keeps of its model: weights, and the states from which it goes on. No code of a file is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from segkit.core.errors import SegkitError, TrainingError
from segkit.training.tensor_file import (
    Unreadable,
    Unsavable,
    read_state,
    read_tensors,
    write_state,
    write_tensors,
)


def save_weights(model: nn.Module, path: Path) -> None:
    """Write a model's parameters and buffers; the file appears whole or not at all.

    Raises:
        OSError: if it cannot be written.
    """
    write_tensors(path, model.state_dict())


def load_weights(model: nn.Module, path: Path) -> None:
    """Read a model's parameters and buffers, all of them and no others.

    Raises:
        SegkitError: if the file is missing, damaged, or of another model.
    """
    try:
        tensors, _ = read_tensors(path)
    except Unreadable as error:
        raise SegkitError(f"the checkpoint cannot be read: {error}", where=str(path)) from error
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        problem = "the checkpoint is of another model"
        hint = "the recipe beside it builds the model it is of"
        detail = ": ".join(line.strip().rstrip(": .") for line in str(error).splitlines()[1:2])
        raise SegkitError(f"{problem}: {detail}", where=str(path), hint=hint) from error


class States:
    """The states from which a run can go on: the last one, and the one before, should that be damaged.

    Args:
        folder: of a run's checkpoints.
    """

    def __init__(self, folder: Path) -> None:
        self.last = folder / "last.state.safetensors"
        self.previous = folder / "previous.state.safetensors"

    def save(self, state: dict[str, Any]) -> None:
        """Write a state; until it is on the disk, the one before stays the last.

        Raises:
            OSError: if it cannot be written; what was there before is left alone.
            TrainingError: if the optimiser's or the schedule's state is nothing that can be saved.
        """
        new = self.last.with_name("new.state.safetensors")
        try:
            write_state(new, state)
        except Unsavable as error:
            raise TrainingError(
                f"the training cannot be saved: {error}",
                hint="states hold numbers, words, tensors, lists and mappings; segkit test-plugin tries them",
            ) from error
        if self.last.exists():
            self.last.replace(self.previous)
        new.replace(self.last)

    def load(self) -> tuple[dict[str, Any] | None, list[str]]:
        """The last state that can be read, None if none was ever saved, and what is to be told of others.

        Raises:
            SegkitError: if there are states, and none can be read.
        """
        warnings: list[str] = []
        unreadable = []
        for path in (path for path in (self.last, self.previous) if path.exists()):
            try:
                state: dict[str, Any] = read_state(path)
            except Unreadable as error:
                unreadable.append(path)
                before = f"{path.name} cannot be read ({error}): the run went on from the state before it."
                warnings.append(before)
            else:
                return state, warnings
        if unreadable:
            raise SegkitError(
                "no saved state of this run can be read",
                where=", ".join(map(str, unreadable)),
                hint=f"segkit run {self.last.parents[1] / 'recipe.yaml'} begins anew",
            )
        return None, []

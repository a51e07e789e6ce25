"""Checkpoints of a run: model weights, and training states to resume from. Reading executes no code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from segkit.core.errors import SegkitError, TrainingError
from segkit.core.paths import quoted
from segkit.training.state_file import Unsavable, read_state, write_state
from segkit.training.tensor_file import Unreadable, read_tensors, write_tensors
from segkit.utils.atomic import replace


def save_weights(model: nn.Module, path: Path, epoch: int | None = None) -> None:
    """Write a model's parameters and buffers atomically.

    Args:
        model: model to save.
        path: file in an existing folder.
        epoch: epoch of the weights, stored with them.

    Raises:
        OSError: if the file cannot be written.
    """
    write_tensors(path, model.state_dict(), epoch and {"epoch": epoch})


def load_weights(model: nn.Module, path: Path) -> None:
    """Read a model's parameters and buffers; the names must match exactly.

    Raises:
        SegkitError: if the file is missing, damaged or belongs to another model.
    """
    try:
        tensors, _ = read_tensors(path)
    except Unreadable as error:
        raise SegkitError(f"the checkpoint cannot be read: {error}", where=str(path)) from error
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        detail = ": ".join(line.strip().rstrip(": .") for line in str(error).splitlines()[1:2])
        raise SegkitError(
            f"the checkpoint belongs to another model: {detail}",
            where=str(path),
            hint="use the recipe in the checkpoint's run directory",
        ) from error


class StateFiles:
    """The last saved training state, and the one before as a backup.

    Args:
        folder: checkpoint folder of a run.
    """

    def __init__(self, folder: Path) -> None:
        self.last = folder / "last.state.pt"
        self.previous = folder / "previous.state.pt"

    def save(self, state: dict[str, Any]) -> None:
        """Write a state; the former last one becomes the backup once the file is complete.

        Raises:
            OSError: if the file cannot be written; the existing files are unchanged.
            TrainingError: if the state of the optimiser or the schedule cannot be serialised.
        """
        new = self.last.with_name("new.state.pt")
        try:
            write_state(new, state)
        except Unsavable as error:
            raise TrainingError(
                f"the training state cannot be saved: {error}",
                hint="states may hold numbers, strings, tensors, lists and dicts; run segkit test-plugin",
            ) from error
        if self.last.exists():
            replace(self.last, self.previous)
        replace(new, self.last)

    def load(self) -> tuple[dict[str, Any] | None, list[str]]:
        """The latest readable state, None if none was saved, and warnings about unreadable ones.

        Raises:
            SegkitError: if all saved states are unreadable, or of an earlier version of segkit.
        """
        warnings: list[str] = []
        unreadable: list[Path] = []
        for path in (path for path in (self.last, self.previous) if path.exists()):
            try:
                state: dict[str, Any] = read_state(path)
            except Unreadable as error:
                unreadable.append(path)
                warnings.append(
                    f"{path.name} cannot be read ({error}): the run resumed from the state before it."
                )
            else:
                return state, warnings
        hint = f"start again: segkit run {quoted(self.last.parents[1] / 'recipe.yaml')}"
        if unreadable:
            where = ", ".join(map(str, unreadable))
            raise SegkitError("the saved states of this run cannot be read", where=where, hint=hint)
        if (earlier := self.last.with_name("last.state.safetensors")).exists():
            raise SegkitError(
                "this training state was saved by an earlier version of segkit", where=str(earlier), hint=hint
            )
        return None, []

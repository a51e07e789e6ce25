"""What a run keeps while it goes on, so that it can go on from there after whatever happens to it."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from segkit.core.errors import SegkitError
from segkit.core.events import EpochEnded
from segkit.training.checkpoint import States, save_weights

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from segkit.runs.run_dir import RunDir
    from segkit.training.loop import Learner


class Journal:
    """Keeps epochs and states of a run in its directory; of several processes, the first alone writes.

    Whenever the process is killed, the last saved state is whole. What is written after it, such as the
    weights of an epoch, is written again when the run goes on.

    Args:
        directory: of the run.
        fabric: knows the processes, and the scale of gradients in 16-mixed.
        between: seconds between two saved states within an epoch; None for none.
        began: when the run, or this start of it, began, by `time.perf_counter`.
    """

    def __init__(self, directory: RunDir, fabric: Fabric, between: float | None, *, began: float) -> None:
        self.directory = directory
        self.epochs: list[EpochEnded] = []
        self._states = States(directory.checkpoints)
        self._fabric = fabric
        self._between = between
        self._saved = time.perf_counter()
        self._began = began
        self._earlier = 0.0

    @property
    def seconds(self) -> float:
        """That the run has taken, over all its starts."""
        return self._earlier + time.perf_counter() - self._began

    def go_on(self, learner: Learner) -> list[str]:
        """Bring a fresh learner, and the directory, to where the run was last saved, if it ever was.

        Returns:
            What the user should know, in whole sentences.

        Raises:
            SegkitError: if there are states, and none can be read.
        """
        found = self._states.load() if self._fabric.is_global_zero else (None, [])
        state, warnings = self._fabric.broadcast(found)
        if state:
            try:
                self._set(learner, state)
            except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
                raise SegkitError(
                    "the saved state is of another model, or of none",
                    where=str(self._states.last),
                    hint=f"segkit run {self.directory.recipe} begins anew",
                ) from error
        if self._fabric.is_global_zero:
            with self.directory.written():
                self.directory.record_anew(self.epochs)
                if state and not learner.so_far.steps:
                    self._save_weights(learner)
        return list(warnings)

    def step_ended(self, learner: Learner) -> None:
        """Save the state, if the last time was long ago."""
        if self._between is not None and time.perf_counter() - self._saved >= self._between:
            self.save(learner)

    def epoch_ended(self, learner: Learner, event: EpochEnded) -> None:
        """Keep an epoch."""
        self.epochs.append(event)
        if self._fabric.is_global_zero:
            with self.directory.written():
                self.directory.record(event)
                self.save(learner)
                self._save_weights(learner)

    def save(self, learner: Learner) -> None:
        """Save the state of a learner that is at rest."""
        if self._fabric.is_global_zero:
            state: dict[str, Any] = {
                "learner": learner.state_dict(),
                "precision": self._fabric.strategy.precision.state_dict(),
                "epochs": [asdict(epoch) for epoch in self.epochs],
                "seconds": self.seconds,
            }
            with self.directory.written():
                self._states.save(state)
        self._saved = time.perf_counter()

    def close(self) -> None:
        """Keep what others may want of a run that has ended: its last state, and no other."""
        if self._fabric.is_global_zero:
            with self.directory.written():
                self._states.previous.unlink(missing_ok=True)

    def _set(self, learner: Learner, state: dict[str, Any]) -> None:
        learner.load_state_dict(state["learner"])
        self._fabric.strategy.precision.load_state_dict(state["precision"])
        self.epochs = [EpochEnded(**epoch) for epoch in state["epochs"]]
        self._earlier = float(state["seconds"])

    def _save_weights(self, learner: Learner) -> None:
        """Of the epoch that has just ended."""
        if learner.best_epoch == learner.epoch:
            save_weights(learner.scored, self.directory.checkpoints / "best.safetensors")
        save_weights(learner.scored, self.directory.checkpoints / "last.safetensors")

"""What a tracker is, and what it is told of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from segkit.runs.run_dir import RunDir

Figures = Mapping[str, float]
Ending = Literal["complete", "failed", "interrupted"]


@dataclass(frozen=True)
class Followed:
    """A run that begins, goes on, or has ended.

    Args:
        directory: of the run.
        recipe: the complete recipe, flat: "model.decoder.name" and so on.
        epochs: the figures of every epoch that is recorded so far, by its number.
    """

    directory: RunDir
    recipe: Mapping[str, object]
    epochs: Mapping[int, Figures]

    @property
    def name(self) -> str:
        """Such as "quickstart/001"."""
        folder = self.directory.path.resolve()
        return f"{folder.parent.name}/{folder.name}"


class Tracker(Protocol):
    """Sends what happens in a run to where people look at it. Making one finds out whether it can.

    Whatever it raises before the training is told as an error; later, it is left out and the run goes on.

    Args:
        hint: what a user can try when it cannot be set up.
    """

    hint: str

    def begin(self, run: Followed) -> str:
        """Send what there is of a run, once: what an earlier start of it has sent is not doubled.

        Returns:
            Where to look at it.
        """

    def epoch(self, number: int, figures: Figures) -> None:
        """Send one more epoch."""

    def end(self, run: Followed, figures: Figures) -> None:
        """Send the outcome of a complete run."""

    def close(self, ending: Ending) -> None:
        """Say how it ended, and leave nothing running; called once, whether or not `begin` was."""

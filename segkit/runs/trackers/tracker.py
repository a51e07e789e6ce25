"""The interface of trackers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from segkit.runs.run_dir import RunDir

Metrics = Mapping[str, float]
Outcome = Literal["complete", "failed", "interrupted"]


@dataclass(frozen=True)
class TrackedRun:
    """A new, resumed or complete run."""

    directory: RunDir
    recipe: Mapping[str, object]  # values by dotted path, such as "model.decoder.name"
    epochs: Mapping[int, Metrics]  # metrics of the epochs so far

    @property
    def name(self) -> str:
        """Name such as "quickstart/001"."""
        folder = self.directory.path.resolve()
        return f"{folder.parent.name}/{folder.name}"


class Tracker(Protocol):
    """Sends metrics of a run to a tracking service. The constructor fails if that is not possible.

    An exception before training ends the run; a later one only disables the tracker.

    Args:
        hint: what to try if the tracker cannot be set up.
    """

    hint: str

    def begin(self, run: TrackedRun) -> str:
        """Send the recipe and the epochs so far, without those that an earlier start has sent.

        Returns:
            URL, path or command to view the run.
        """

    def epoch(self, number: int, metrics: Metrics) -> None:
        """Send the metrics of one epoch."""

    def end(self, run: TrackedRun, metrics: Metrics) -> None:
        """Send the final metrics and the report of a complete run."""

    def close(self, outcome: Outcome) -> None:
        """Send the outcome and release all resources; called once, even if `begin` was not."""

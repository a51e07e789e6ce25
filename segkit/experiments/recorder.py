"""Records of a run while it goes on, from which it can be resumed after whatever happens to it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.analysis.report import write_report
from segkit.core.errors import SegkitError
from segkit.core.events import EpochEnded
from segkit.data.palette import mask_palette
from segkit.experiments.run_start import environment_record
from segkit.experiments.samples import pick_samples, thumbnails
from segkit.recipe import dump_recipe
from segkit.runs.run_dir import RunDir
from segkit.runs.thumbnails import write_thumbnails
from segkit.training.checkpoint import States, save_weights
from segkit.utils.os_errors import cannot_write

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from segkit.core.types import Pixels
    from segkit.experiments.assembly import Assembly
    from segkit.recipe import Recipe
    from segkit.runs.schema import Environment, Summary
    from segkit.training.evaluate import Scores
    from segkit.training.loop import TrainState

_OF_A_START = {"command", "device", "git", "packages", "platform", "processor"}


def make_recorder(recipe: Recipe, fabric: Fabric) -> NullRecorder:
    """The recorder of this process: of several, the first alone writes."""
    if fabric.is_global_zero:
        return RunRecorder(fabric, recipe.training.checkpoint_seconds)
    return NullRecorder(fabric)


class NullRecorder:
    """Follows a run in memory, and writes nothing: the recorder of all processes but the first.

    Args:
        fabric: processes of the run, and the scale of gradients in 16-mixed.
    """

    directory: RunDir  # known within `new_run` and `reopened`

    def __init__(self, fabric: Fabric) -> None:
        self.epochs: list[EpochEnded] = []
        self._fabric = fabric
        self._began = time.perf_counter()
        self._earlier = 0.0

    @property
    def seconds(self) -> float:
        """Duration of the run, over all its starts."""
        return self._earlier + time.perf_counter() - self._began

    @contextmanager
    def new_run(self, assembly: Assembly, runs: Path) -> Iterator[None]:
        """Have a new run directory in `runs` while the body runs."""
        self.directory = self._fabric.broadcast(RunDir(runs))  # becomes the first process's
        yield

    @contextmanager
    def reopened(self, run: Path) -> Iterator[None]:
        """Have an interrupted run's directory while the body runs."""
        self.directory = RunDir(run)
        yield

    def resumed(self, then: Environment, now: Environment) -> None:
        """Note that the run goes on.

        Args:
            then: its environment record.
            now: that of this start.
        """

    def restore(self, learner: TrainState) -> list[str]:
        """Bring a fresh learner, and the directory, to where the run was last saved, if it ever was.

        Returns:
            What the user should know, in whole sentences.

        Raises:
            SegkitError: if there are states, and none can be read.
        """
        state, warnings = self._fabric.broadcast(self._load_state())
        if state:
            try:
                learner.load_state_dict(state["learner"])
                self._fabric.strategy.precision.load_state_dict(state["precision"])
                self.epochs = [EpochEnded(**epoch) for epoch in state["epochs"]]
                self._earlier = float(state["seconds"])
            except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
                raise SegkitError(
                    "the saved state is of another model, or of none",
                    where=str(States(self.directory.checkpoints).last),
                    hint=f"segkit run {self.directory.recipe} begins anew",
                ) from error
        return list(warnings)

    def step_ended(self, learner: TrainState) -> None:
        """Save the state, if the last time was long ago."""

    def epoch_ended(self, learner: TrainState, event: EpochEnded) -> None:
        """Keep an epoch."""
        self.epochs.append(event)

    def save(self, learner: TrainState) -> None:
        """Save the state of a learner between two events."""

    def write_scores(self, assembly: Assembly, scores: Scores, predicted: Sequence[Pixels]) -> None:
        """Keep the scores of the best epoch, image by image, and masks to look at.

        Args:
            assembly: what was scored.
            scores: of the images that are reported on.
            predicted: their masks, as `predicted_masks` gives them.
        """

    def report(self, summary: Summary) -> None:
        """Complete the run: write its summary and its report."""

    def _load_state(self) -> tuple[dict[str, Any] | None, list[str]]:
        return None, []


class RunRecorder(NullRecorder):
    """Keeps epochs and states of a run in its directory.

    Whenever the process is killed, the last saved state is whole. What is written after it, such as the
    weights of an epoch, is written again when the run goes on.

    Args:
        fabric: processes of the run, and the scale of gradients in 16-mixed.
        between: seconds between two saved states within an epoch; None for none.
    """

    def __init__(self, fabric: Fabric, between: float | None) -> None:
        super().__init__(fabric)
        self._between = between
        self._saved = time.perf_counter()

    @contextmanager
    def new_run(self, assembly: Assembly, runs: Path) -> Iterator[None]:
        """Hold a new run directory. The recipe is written last: once it is there, a run is."""
        with ExitStack() as stack:
            try:
                directory = RunDir.create(runs, assembly.recipe.name)
                stack.enter_context(directory.locked())
                directory.write_environment(environment_record(assembly))
                directory.write_recipe(dump_recipe(assembly.recipe))
            except OSError as error:
                hint = "the same command again, or --runs with another folder"
                raise cannot_write(error, runs, hint) from error
            self.directory = self._fabric.broadcast(directory)
            yield

    @contextmanager
    def reopened(self, run: Path) -> Iterator[None]:
        """Hold an interrupted run's directory."""
        self.directory = RunDir(run)
        with ExitStack() as stack:
            with self.directory.as_write_error():
                stack.enter_context(self.directory.locked())
            yield

    def resumed(self, then: Environment, now: Environment) -> None:
        """Add this start to the environment record."""
        start = now.model_dump(mode="json", include=_OF_A_START)
        with self.directory.as_write_error():
            self.directory.write_environment(then.model_copy(update={"resumed": [*then.resumed, start]}))

    def restore(self, learner: TrainState) -> list[str]:
        """See `NullRecorder.restore`; files that do not fit the state are written again."""
        warnings = super().restore(learner)
        self._saved = time.perf_counter()
        with self.directory.as_write_error():
            self.directory.rewrite_epochs(self.epochs)
            if learner.epoch and not learner.progress.steps:
                self._save_weights(learner)
        return warnings

    def step_ended(self, learner: TrainState) -> None:
        """Save the state, if the last time was long ago."""
        if self._between is not None and time.perf_counter() - self._saved >= self._between:
            self.save(learner)

    def epoch_ended(self, learner: TrainState, event: EpochEnded) -> None:
        """Write an epoch, the state and the weights after it."""
        super().epoch_ended(learner, event)
        with self.directory.as_write_error():
            self.directory.append_epoch(event)
            self.save(learner)
            self._save_weights(learner)

    def save(self, learner: TrainState) -> None:
        """Save the state of a learner between two events."""
        state: dict[str, Any] = {
            "learner": learner.state_dict(),
            "precision": self._fabric.strategy.precision.state_dict(),
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "seconds": self.seconds,
        }
        with self.directory.as_write_error():
            States(self.directory.checkpoints).save(state)
        self._saved = time.perf_counter()

    def write_scores(self, assembly: Assembly, scores: Scores, predicted: Sequence[Pixels]) -> None:
        """Write scores, samples and thumbnails."""
        prepared, task = assembly.splits[assembly.test_split], assembly.task
        better = assembly.higher_is_better
        samples = pick_samples(prepared, predicted, scores, task, higher_is_better=better)
        with self.directory.as_write_error():
            self.directory.write_scores(prepared.names, scores.per_image)
            self.directory.write_samples(samples, mask_palette(task))
            write_thumbnails(self.directory.thumbnails, thumbnails(prepared, predicted, task))

    def report(self, summary: Summary) -> None:
        """Write summary and report; the last state is kept, and no other."""
        with self.directory.as_write_error():
            # Before there is a summary: a run that has one lacks its report alone.
            States(self.directory.checkpoints).previous.unlink(missing_ok=True)
            self.directory.write_summary(summary)
            write_report(self.directory)

    def _load_state(self) -> tuple[dict[str, Any] | None, list[str]]:
        return States(self.directory.checkpoints).load()

    def _save_weights(self, learner: TrainState) -> None:
        """Of the epoch that has just ended."""
        if learner.best_epoch == learner.epoch:
            save_weights(learner.eval_model, self.directory.checkpoints / "best.safetensors")
        save_weights(learner.eval_model, self.directory.checkpoints / "last.safetensors")

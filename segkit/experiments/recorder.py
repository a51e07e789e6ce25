"""Recorders of a run in progress: epochs, resumable states, scores and report."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.analysis.report import write_report
from segkit.analysis.report.tables import given_to_decoder
from segkit.core.errors import SegkitError, worded
from segkit.core.events import EpochEnded
from segkit.core.paths import quoted
from segkit.data.palette import mask_palette
from segkit.experiments.run_start import change_warnings, environment_record, resumed_record, split_rows
from segkit.experiments.samples import display_of, pick_samples, thumbnails, training_samples
from segkit.recipe import dump_recipe
from segkit.recipe.yaml_tree import write_yaml
from segkit.runs.run_dir import RunDir
from segkit.runs.thumbnails import write_thumbnails
from segkit.training.checkpoint import StateFiles, save_weights
from segkit.training.distributed.sharding import gather_batches
from segkit.training.rng import random_state
from segkit.utils.os_errors import cannot_write

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from segkit.core.model_table import Stage
    from segkit.core.types import Pixels
    from segkit.data.batches import TrainBatches
    from segkit.experiments.assembly import Assembly
    from segkit.experiments.run_recipe import Change
    from segkit.recipe.postprocess_record import PostprocessRecord
    from segkit.recipe.training_settings import TrainingSettings
    from segkit.runs.schema import Environment, Summary
    from segkit.training.evaluate import Scores
    from segkit.training.train_state import TrainState


class RunRecorder:
    """Recorder of a run; of several processes only the first writes to the run directory.

    The last saved state is intact whenever the process is killed. Files that are written after it, such as
    weights, are written again when the run is resumed.

    Args:
        fabric: processes of the run, with the gradient scaler of 16-mixed.
        settings: the recipe's `training`, which says when states are saved.
    """

    directory: RunDir  # set by `new_run` and `reopened`
    # Of a resumed run: its record, that of this start, and changes of its recipe, which `restore` writes.
    resumed: tuple[Environment, Environment, Sequence[Change]] | None = None

    def __init__(self, fabric: Fabric, settings: TrainingSettings) -> None:
        self.epochs: list[EpochEnded] = []
        self._fabric = fabric
        self._writes = fabric.is_global_zero
        self._started = self._last_save = time.perf_counter()
        self._seconds_before = 0.0
        self._settings = settings

    @property
    def seconds(self) -> float:
        """Duration of the run, summed over its starts."""
        return self._seconds_before + time.perf_counter() - self._started

    @property
    def save_due(self) -> bool:
        """Whether the save interval has passed; False in processes that do not write."""
        interval = self._settings.checkpoint_seconds
        seconds = time.perf_counter() - self._last_save
        return self._writes and interval is not None and seconds >= interval

    @contextmanager
    def new_run(self, assembly: Assembly, runs: Path) -> Iterator[None]:
        """Create a run directory in `runs` and lock it while the body runs."""
        with ExitStack() as stack:
            directory = RunDir(runs)
            if self._writes:
                try:
                    directory = RunDir.create(runs, assembly.recipe.name)
                    stack.enter_context(directory.locked())
                    directory.write_environment(environment_record(assembly))
                    directory.write_splits(split_rows(assembly))
                    # Last: it marks a run directory.
                    directory.write_recipe(_given(assembly.spec.stages) + dump_recipe(assembly.recipe))
                except OSError as error:
                    hint = f"the same again, or {worded('--runs', 'the argument runs')} with another folder"
                    raise cannot_write(error, runs, hint) from error
            self.directory = self._fabric.broadcast(directory)  # that of the first process
            yield

    @contextmanager
    def reopened(self, run: Path) -> Iterator[None]:
        """Lock the directory of an interrupted run while the body runs."""
        self.directory = RunDir(run)
        with ExitStack() as stack:
            if self._writes:
                with self.directory.as_write_error():
                    stack.enter_context(self.directory.locked())
            yield

    def restore(self, state: TrainState) -> list[str]:
        """Restore the last saved state, if any, and rewrite the files that are newer.

        Returns:
            Warnings, as sentences.

        Raises:
            SegkitError: if no saved state can be read, or it does not fit the model.
        """
        states = StateFiles(self.directory.checkpoints)
        saved, warnings = self._fabric.broadcast(states.load() if self._writes else (None, []))
        if saved:
            try:
                state.load_state_dict(saved["learner"])
                state.random_states = saved["random_states"]
                if saved["precision"]:  # empty unless the precision was 16-mixed
                    self._fabric.strategy.precision.load_state_dict(saved["precision"])
                self.epochs = [EpochEnded(**epoch) for epoch in saved["epochs"]]
                self._seconds_before = float(saved["seconds"])
            except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
                hint = f"start a new run: segkit run {quoted(self.directory.recipe)}"
                problem = "the saved state does not fit this model"
                raise SegkitError(problem, where=str(states.last), hint=hint) from error
        self._last_save = time.perf_counter()
        if self._writes:
            with self.directory.as_write_error():
                self.directory.rewrite_epochs(self.epochs)
                if state.epoch and not state.progress.steps:
                    self._save_weights(state)
        return [*warnings, *self._record_start(state)]

    def epoch_ended(self, state: TrainState, event: EpochEnded) -> None:
        """Write the scores, state and weights of an epoch."""
        self.epochs.append(event)
        with self.directory.as_write_error():
            if self._writes:
                self.directory.append_epoch(event)
            self.save(state)
            if self._writes:
                self._save_weights(state)

    def save(self, state: TrainState) -> None:
        """Save the training state between two events; all processes must call this at the same point."""
        random_states = gather_batches([random_state()], self._fabric, everywhere=False)
        if not self._writes:
            return
        content: dict[str, Any] = {
            "learner": state.state_dict(),
            "random_states": random_states,
            "precision": self._fabric.strategy.precision.state_dict(),
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "seconds": self.seconds,
        }
        with self.directory.as_write_error():
            StateFiles(self.directory.checkpoints).save(content)
        self._last_save = time.perf_counter()

    def write_scores(self, assembly: Assembly, scores: Scores, predicted: Sequence[Pixels]) -> None:
        """Write the scores of all test images, samples and thumbnails."""
        if not self._writes:
            return
        prepared, task = assembly.splits[assembly.test_split], assembly.task
        better, display = assembly.higher_is_better, display_of(assembly.recipe)
        samples = pick_samples(prepared, predicted, scores, task, display, higher_is_better=better)
        with self.directory.as_write_error():
            self.directory.write_scores(prepared.names, scores.per_image)
            if scores.classes and task.kind != "binary":
                self.directory.write_class_scores(prepared.names, scores.classes)
            self.directory.write_samples(samples, mask_palette(task))
            write_thumbnails(self.directory.thumbnails, thumbnails(prepared, predicted, task, display))

    def write_postprocess(self, record: PostprocessRecord | None) -> None:
        """Write how the post-processing was chosen, if it was."""
        if self._writes and record:
            with self.directory.as_write_error():
                self.directory.write_postprocess(record)

    def write_training_samples(self, assembly: Assembly, batches: TrainBatches) -> None:
        """Write a few training images or windows as the model saw them."""
        if not self._writes:
            return
        names, task = assembly.splits["train"].names, assembly.task
        samples = training_samples(batches, names, task, assembly.recipe)
        with self.directory.as_write_error():
            self.directory.write_training_samples(samples, mask_palette(task))

    def report(self, summary: Summary) -> None:
        """Write summary and report, and remove all states but the last, or this too."""
        if not self._writes:
            return
        states = StateFiles(self.directory.checkpoints)
        with self.directory.as_write_error():
            # Before the summary: resuming a run that has one only writes the report.
            states.previous.unlink(missing_ok=True)
            self.directory.write_summary(summary)
            if not self._settings.keep_state:  # after it: a run without either begins anew
                states.last.unlink(missing_ok=True)
            write_report(self.directory)

    def _record_start(self, state: TrainState) -> list[str]:
        """Add this start to the record of a resumed run; warnings about changes of its recipe."""
        if self.resumed is None:
            return []
        then, now, changes = self.resumed
        record = resumed_record(then, now, changes, epoch=state.epoch, steps=state.progress.steps)
        if self._writes:
            with self.directory.as_write_error():
                if self.directory.has_ended:
                    self.directory.remove_results()
                if changes:
                    lines = self.directory.recipe_text().splitlines(keepends=True)
                    comment = "".join(takewhile(lambda line: line.startswith("#"), lines))
                    self.directory.write_recipe(comment + write_yaml(now.recipe))
                self.directory.write_environment(record)
        return change_warnings(record)

    def _save_weights(self, state: TrainState) -> None:
        if state.best_epoch == state.epoch:
            save_weights(state.eval_model, self.directory.weights, state.epoch)
        save_weights(state.eval_model, self.directory.checkpoints / "last.safetensors", state.epoch)


def _given(stages: Sequence[Stage]) -> str:
    """A comment for the recipe: what `features` came to."""
    names, maps = given_to_decoder(stages)
    return f"# The decoder is given {names} of the encoder: {maps} (channels, height, width)\n"

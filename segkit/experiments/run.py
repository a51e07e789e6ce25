"""A run: a recipe is assembled, fitted, kept in a run directory, reported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.core.errors import Interrupted
from segkit.core.events import EpochEnded, Event, RunEnded, RunStarted, StepEnded
from segkit.core.paths import quoted
from segkit.core.types import Progress
from segkit.experiments.assembly import Assembly, assemble
from segkit.experiments.launch import run_distributed
from segkit.experiments.postprocess import MaskScorer, choose_on_validation
from segkit.experiments.recorder import RunRecorder
from segkit.experiments.run_start import run_started
from segkit.experiments.samples import PredictedMasks
from segkit.experiments.summary import summarise
from segkit.models.segmenter import digest
from segkit.recipe import Recipe
from segkit.recipe.postprocess_settings import PostprocessSettings
from segkit.training.checkpoint import load_weights
from segkit.training.devices import move_to_device
from segkit.training.distributed.sharding import any_process
from segkit.training.evaluate import Scores
from segkit.training.loop import fit
from segkit.training.train_state import TrainState, make_train_state
from segkit.utils.signals import StopSignal

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import Tensor

    from segkit.core.types import Pixels
    from segkit.data.batches import TrainBatches


def run(
    recipe: Recipe,
    runs: Path,
    on_progress: Progress = lambda label, done, total: None,
    stop: StopSignal | None = None,
) -> Iterator[Event]:
    """Run a recipe: train, score the best epoch, write the report.

    A run that fails, is interrupted or killed can be continued with `segkit resume`; it is complete once
    `summary.json` exists. If the recipe asks for several processes, they are started here, unless a launcher
    such as torchrun has started them.

    Args:
        recipe: result of `load_recipe`.
        runs: folder of all runs; the run gets a new directory in it.
        on_progress: callback of (label, done, total).
        stop: signal checked after every step; once requested, the run saves its state and ends.

    Yields:
        Events of the run.

    Raises:
        SegkitError: if data, weights or shapes are invalid, training fails, or the disk is full.
        Interrupted: if `stop` was requested.
    """
    return run_distributed(
        "segkit.experiments.run:run", _run, recipe, runs, on_progress, stop or StopSignal()
    )


def _run(
    recipe: Recipe, runs: Path, fabric: Fabric, on_progress: Progress, stop: StopSignal
) -> Iterator[Event]:
    recorder = RunRecorder(fabric, recipe.training)
    assembly = assemble(recipe, on_progress, fabric=fabric)
    with recorder.new_run(assembly, runs):
        started = run_started(assembly, recorder.directory)
        yield from train_and_report(assembly, recorder, started, on_progress, stop)


def train_and_report(
    assembly: Assembly, recorder: RunRecorder, started: RunStarted, on_progress: Progress, stop: StopSignal
) -> Iterator[Event]:
    """Train from the last saved state, if any, score the best epoch, and write the report."""
    model, fabric, settings = assembly.model, assembly.fabric, assembly.recipe.training
    batches = assembly.train_batches()
    move_to_device(model, fabric, settings)
    encoder_before = digest(model.encoder)
    state = make_train_state(model, *assembly.optimization(batches.steps), settings)
    started.warnings.extend(recorder.restore(state))
    yield replace(started, epochs_done=state.epoch, steps_done=state.progress.steps)

    yield from _fit(assembly, state, batches, recorder, on_progress, stop)
    encoder_digests = (encoder_before, digest(model.encoder))

    fabric.barrier()  # the first process has written the weights
    load_weights(model, recorder.directory.weights)
    chosen = choose_on_validation(assembly, on_progress)
    steps = chosen.settings if chosen else assembly.recipe.postprocess
    postprocess = steps if isinstance(steps, PostprocessSettings) else None
    model.stop_caching()  # each image is scored once more
    scores, masks, postprocessed = _score_with_masks(assembly, postprocess, on_progress)
    recorder.write_scores(assembly, scores, masks)
    recorder.write_postprocess(chosen)
    recorder.write_training_samples(assembly, batches)
    summary = summarise(
        assembly, started, recorder.epochs, scores, state.best_classes,
        seconds=recorder.seconds, encoder_digests=encoder_digests,
        postprocess=postprocess, chosen=chosen, postprocessed=postprocessed,
    )  # fmt: skip
    recorder.report(summary)
    yield RunEnded(recorder.directory.path, summary, recorder.directory.report)


def _fit(
    assembly: Assembly,
    state: TrainState,
    batches: TrainBatches,
    recorder: RunRecorder,
    on_progress: Progress,
    stop: StopSignal,
) -> Iterator[StepEnded | EpochEnded]:
    recipe, fabric = assembly.recipe, assembly.fabric

    def progress_or_stop(label: str, done: int, total: int) -> None:
        on_progress(label, done, total)
        if stop.requested and fabric.world_size == 1:  # several processes must stop at the same batch
            raise _StopRequested

    with stop.deferred():
        try:
            for event in fit(
                state, batches, assembly.loss, assembly.epoch_scorer(progress_or_stop), fabric,
                recipe.training, seed=recipe.seed, names=assembly.splits["train"].names,
                higher_is_better=assembly.higher_is_better,
            ):  # fmt: skip
                if isinstance(event, EpochEnded):
                    recorder.epoch_ended(state, event)
                yield event
                # One reduction a step for both: each costs a round trip between the processes.
                stops, save_due = any_process((stop.requested, recorder.save_due), fabric)
                if stops:
                    raise _StopRequested
                if save_due and isinstance(event, StepEnded):
                    recorder.save(state)
        except _StopRequested:
            recorder.save(state)
            fabric.barrier()  # a process that ends earlier would end the one that saves
            position = f"after epoch {state.epoch}"
            if state.progress.steps:
                position = f"in epoch {state.epoch + 1}, after step {state.progress.steps} of {batches.steps}"
            hint = f"segkit resume {quoted(recorder.directory.path)}"
            raise Interrupted(f"stopped {position}; the state is saved", hint=hint) from None


class _StopRequested(Exception):
    pass


def _score_with_masks(
    assembly: Assembly, postprocess: PostprocessSettings | None, on_progress: Progress
) -> tuple[Scores, list[Pixels], Scores | None]:
    """Scores on the test split, the predicted masks (on the first process only), scores of cleaned ones."""
    split = assembly.test_split
    masks = PredictedMasks(assembly.splits[split], assembly.task, assembly.recipe.data.geometry)
    cleaned = MaskScorer(assembly, split, postprocess) if postprocess else None

    def on_logits(image: int, rows: slice, logits: Tensor) -> None:
        masks.add(image, rows, logits)
        if cleaned:
            cleaned.add(image, rows, logits)

    scores = assembly.scorer(split, on_progress, on_logits)(assembly.model)
    return scores, masks.gathered(assembly.fabric), cleaned.scores(scores.loss) if cleaned else None

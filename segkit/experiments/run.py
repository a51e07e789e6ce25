"""The sentence: a recipe is assembled, fitted, kept in a run directory, and reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.core.errors import Interrupted
from segkit.core.events import EpochEnded, Event, RunEnded, RunStarted, StepEnded
from segkit.core.types import Progress
from segkit.experiments.assembly import Assembly, assemble
from segkit.experiments.launch import launch
from segkit.experiments.recorder import NullRecorder, make_recorder
from segkit.experiments.run_start import run_started
from segkit.experiments.samples import predicted_masks
from segkit.experiments.summary import summarise
from segkit.models.segmenter import digest
from segkit.recipe import Recipe, dump_recipe
from segkit.training.checkpoint import load_weights
from segkit.training.devices import count_processes, make_fabric
from segkit.training.devices import move_to_device as place_model
from segkit.training.distributed.errors import raise_once
from segkit.training.distributed.rank import current_rank_info
from segkit.training.distributed.sharding import any_process, gather_batches
from segkit.training.evaluate import Scores
from segkit.training.loop import fit
from segkit.training.train_state import TrainState, make_train_state
from segkit.utils.signals import StopSignal

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import Tensor

    from segkit.core.types import Pixels
    from segkit.data.batches import TrainBatches
    from segkit.runs.run_dir import RunDir


def run(
    recipe: Recipe,
    runs: Path,
    on_progress: Progress = lambda label, done, total: None,
    stop: StopSignal | None = None,
) -> Iterator[Event]:
    """Run a recipe from data to report.

    A run that fails, is interrupted or killed leaves a directory from which `segkit resume` goes on; it is
    complete once there is a `summary.json`. Where the recipe asks for several processes, they are started
    here, unless a launcher has started this one as one of them.

    Args:
        recipe: as `load_recipe` gives it.
        runs: folder of all runs; this one gets a new directory in it.
        on_progress: callback of (label, done, total).
        stop: looked at after every step; once it is asked, the run saves what it has done, and ends.

    Yields:
        What happens, while it happens.

    Raises:
        SegkitError: if data, weights or shapes are at fault, the training fails, or the disk is full.
        Interrupted: if `stop` has been asked.
    """
    return run_distributed(
        "segkit.experiments.run:run", _run, recipe, runs, on_progress, stop or StopSignal()
    )


def run_distributed(
    target: str,
    body: Callable[[Recipe, Path, Fabric, Progress, StopSignal], Iterator[Event]],
    recipe: Recipe,
    folder: Path,
    on_progress: Progress,
    stop: StopSignal,
) -> Iterator[Event]:
    """Do something in as many processes as a recipe asks for.

    Args:
        target: ``module:function`` that other processes call, with all but the fabric, to come here as well.
        body: what to do, in each of them.
        recipe: its `training` says how many.
        folder: handed to the body.
        on_progress: callback of (label, done, total).
        stop: of this process; one that starts others hears of it through Ctrl-C itself.
    """
    place = current_rank_info()
    processes = count_processes(recipe.training, place)
    if processes and not place:
        yield from launch(target, dump_recipe(recipe), folder, processes, on_progress)
        return
    fabric = make_fabric(recipe.training, place)
    with raise_once(fabric, place):
        yield from body(recipe, folder, fabric, on_progress, stop)


def _run(
    recipe: Recipe, runs: Path, fabric: Fabric, on_progress: Progress, stop: StopSignal
) -> Iterator[Event]:
    recorder = make_recorder(recipe, fabric)
    assembly = assemble(recipe, on_progress, fabric=fabric)
    with recorder.new_run(assembly, runs):
        started = run_started(assembly, recorder.directory)
        yield from train_and_report(assembly, recorder, started, on_progress, stop)


def train_and_report(
    assembly: Assembly, recorder: NullRecorder, started: RunStarted, on_progress: Progress, stop: StopSignal
) -> Iterator[Event]:
    """Train from the last saved state, if there is one, score the best epoch, and report.

    Args:
        assembly: built from the recipe, as for a run that begins.
        recorder: recorder of the run, with its directory.
        started: what is known before.
        on_progress: callback of (label, done, total).
        stop: looked at after every step.
    """
    recipe, fabric, directory = assembly.recipe, assembly.fabric, recorder.directory
    batches = assembly.train_batches()
    place_model(assembly.model, fabric, recipe.training)
    before = digest(assembly.model.encoder)
    learner = make_train_state(assembly.model, *assembly.optimization(batches.steps), recipe.training)
    started.warnings.extend(recorder.restore(learner))
    yield replace(started, epochs_done=learner.epoch, steps_done=learner.progress.steps)

    yield from _train(assembly, learner, batches, recorder, on_progress, stop)
    digests = (before, digest(assembly.model.encoder))

    fabric.barrier()  # until the weights are written
    load_weights(assembly.model, directory.checkpoints / "best.safetensors")
    scores, predicted = _score_best(assembly, on_progress)
    recorder.write_scores(assembly, scores, predicted)
    summary = summarise(assembly, started, recorder.epochs, scores, seconds=recorder.seconds, digests=digests)
    recorder.report(summary)
    yield RunEnded(directory.path, summary, directory.report)


def _train(
    assembly: Assembly,
    learner: TrainState,
    batches: TrainBatches,
    recorder: NullRecorder,
    on_progress: Progress,
    stop: StopSignal,
) -> Iterator[StepEnded | EpochEnded]:
    """Train, and keep every epoch; end in good time if somebody asks for it."""
    recipe, fabric = assembly.recipe, assembly.fabric

    def watched(label: str, done: int, total: int) -> None:
        on_progress(label, done, total)
        if stop.requested and fabric.world_size == 1:  # several have to agree on where they end
            raise _Asked

    try:
        with stop.deferred():
            for event in fit(
                learner, batches, assembly.loss, assembly.scorer(assembly.val_split, watched),
                fabric, recipe.training, seed=recipe.seed, names=assembly.splits["train"].names,
                higher_is_better=assembly.higher_is_better,
            ):  # fmt: skip
                if isinstance(event, EpochEnded):
                    recorder.epoch_ended(learner, event)
                else:
                    recorder.step_ended(learner)
                yield event
                if any_process(stop.requested, fabric):
                    raise _Asked
    except _Asked:
        recorder.save(learner)
        raise _interrupted(learner, batches.steps, recorder.directory) from None


class _Asked(Exception):
    """Somebody wants the run to stop, and everything is at rest."""


def _interrupted(learner: TrainState, steps: int, directory: RunDir) -> Interrupted:
    done = f"after epoch {learner.epoch}"
    if learner.progress.steps:
        done = f"in epoch {learner.epoch + 1}, after step {learner.progress.steps} of {steps}"
    return Interrupted(f"stopped {done}; all that was done is saved", hint=f"segkit resume {directory.path}")


def _score_best(assembly: Assembly, on_progress: Progress) -> tuple[Scores, list[Pixels]]:
    """Scores of the model as it is by now, and the masks that it predicts, which the first process gets."""
    kept: list[list[Pixels]] = []

    def keep(logits: Tensor) -> None:
        kept.append(predicted_masks(logits, assembly.task))

    scores = assembly.scorer(assembly.test_split, on_progress, keep)(assembly.model)
    predicted = gather_batches(kept, assembly.fabric, everywhere=False)
    return scores, [*chain.from_iterable(predicted)]

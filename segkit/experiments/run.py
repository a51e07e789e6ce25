"""The sentence: a recipe is assembled, fitted, kept in a run directory, and reported."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.analysis.report import write_report
from segkit.core.errors import Interrupted
from segkit.core.events import EpochEnded, Event, RunEnded, RunStarted, StepEnded
from segkit.core.types import Progress
from segkit.data.palette import mask_palette
from segkit.experiments.assembly import Assembly, assemble, refuse_empty_shares
from segkit.experiments.launch import launch
from segkit.experiments.recorder import Journal
from segkit.experiments.run_start import started_on, surroundings
from segkit.experiments.samples import pick_samples, predicted_masks, thumbnails
from segkit.experiments.summary import summarise
from segkit.models.segmenter import digest
from segkit.recipe import Recipe, dump_recipe, entry_for
from segkit.runs.run_dir import RunDir
from segkit.runs.thumbnails import write_thumbnails
from segkit.training.checkpoint import load_weights
from segkit.training.devices import count_processes, make_fabric
from segkit.training.devices import place as place_model
from segkit.training.distributed.errors import told_once
from segkit.training.distributed.rank import place_here
from segkit.training.distributed.sharding import any_process, gather_dealt
from segkit.training.evaluate import Scores
from segkit.training.loop import Learner, fit, make_learner
from segkit.utils.os_errors import cannot_write
from segkit.utils.signals import Stop

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from segkit.core.types import Pixels
    from segkit.data.batches import TrainBatches


def run(
    recipe: Recipe,
    runs: Path,
    progress: Progress = lambda label, done, total: None,
    stop: Stop | None = None,
) -> Iterator[Event]:
    """Run a recipe from data to report.

    A run that fails, is interrupted or killed leaves a directory from which `segkit resume` goes on; it is
    complete once there is a `summary.json`. Where the recipe asks for several processes, they are started
    here, unless a launcher has started this one as one of them.

    Args:
        recipe: as `load_recipe` gives it.
        runs: folder of all runs; this one gets a new directory in it.
        progress: told a label, how much is done, and how much there is, while data are prepared and scored.
        stop: looked at after every step; once it is asked, the run saves what it has done, and ends.

    Yields:
        What happens, while it happens.

    Raises:
        SegkitError: if data, weights or shapes are at fault, the training fails, or the disk is full.
        Interrupted: if `stop` has been asked.
    """
    return in_processes("segkit.experiments.run:run", _run, recipe, runs, progress, stop or Stop())


def in_processes(
    target: str,
    body: Callable[[Recipe, Path, Fabric, Progress, Stop], Iterator[Event]],
    recipe: Recipe,
    folder: Path,
    progress: Progress,
    stop: Stop,
) -> Iterator[Event]:
    """Do something in as many processes as a recipe asks for.

    Args:
        target: ``module:function`` that other processes call, with all but the fabric, to come here as well.
        body: what to do, in each of them.
        recipe: its `training` says how many.
        folder: handed to the body.
        progress: told what the first process does.
        stop: of this process; one that starts others hears of it through Ctrl-C itself.
    """
    place = place_here()
    processes = count_processes(recipe.training, place)
    if processes and not place:
        yield from launch(target, dump_recipe(recipe), folder, processes, progress)
        return
    fabric = make_fabric(recipe.training, place)
    with told_once(fabric, place):
        yield from body(recipe, folder, fabric, progress, stop)


def _run(recipe: Recipe, runs: Path, fabric: Fabric, progress: Progress, stop: Stop) -> Iterator[Event]:
    """In one process; of several, the first alone writes."""
    clock = time.perf_counter()
    with fabric.rank_zero_first(local=True):  # what it downloads or keeps, the others find
        assembly = assemble(recipe, progress)
    refuse_empty_shares(recipe, len(assembly.splits["train"]), fabric.world_size)
    with ExitStack() as stack:
        directory: Any = None
        if fabric.is_global_zero:
            directory = _new_directory(assembly, runs, fabric, stack)
        directory = fabric.broadcast(directory)
        started = started_on(assembly, fabric, directory)
        journal = Journal(directory, fabric, recipe.training.checkpoint_seconds, began=clock)
        yield from carry_out(assembly, directory, journal, started, fabric, progress, stop)


def _new_directory(assembly: Assembly, runs: Path, fabric: Fabric, stack: ExitStack) -> RunDir:
    """A directory that this process holds from now on. The recipe comes last: once it is there, a run is."""
    try:
        directory = RunDir.create(runs, assembly.recipe.name)
        stack.enter_context(directory.held())
        directory.write_environment(surroundings(assembly, fabric))
        directory.write_recipe(dump_recipe(assembly.recipe))
    except OSError as error:
        raise cannot_write(error, runs, "the same command again, or --runs with another folder") from error
    return directory


def carry_out(
    assembly: Assembly,
    directory: RunDir,
    journal: Journal,
    started: RunStarted,
    fabric: Fabric,
    progress: Progress,
    stop: Stop,
) -> Iterator[Event]:
    """Train from where the journal is, score the best epoch, and report.

    Args:
        assembly: built from the recipe, as for a run that begins.
        directory: that this run holds.
        journal: of the directory.
        started: what is known before.
        fabric: device, precision and processes.
        progress: told a label, how much is done, and how much there is.
        stop: looked at after every step.
    """
    recipe = assembly.recipe
    batches = assembly.train_batches(fabric.global_rank, fabric.world_size)
    place_model(assembly.model, fabric, recipe.training)
    before = digest(assembly.model.encoder)
    learner = make_learner(assembly.model, *assembly.optimization(batches.steps), recipe.training)
    started.warnings.extend(journal.go_on(learner))
    yield replace(started, epochs_done=learner.epoch, steps_done=learner.so_far.steps)

    yield from _train(assembly, learner, batches, journal, fabric, progress, stop)
    digests = (before, digest(assembly.model.encoder))

    fabric.barrier()  # until they are written
    load_weights(assembly.model, directory.checkpoints / "best.safetensors")
    scores = _score_best(assembly, fabric, directory, progress)
    summary = summarise(
        assembly, started, journal.epochs, scores,
        higher_is_better=_higher_is_better(recipe), seconds=journal.seconds, digests=digests,
    )  # fmt: skip
    if fabric.is_global_zero:
        journal.close()  # before there is a summary: a run that has one needs its report alone
        with directory.written():
            directory.write_summary(summary)
            write_report(directory)
    yield RunEnded(directory.path, summary, directory.report)


def _train(
    assembly: Assembly,
    learner: Learner,
    batches: TrainBatches,
    journal: Journal,
    fabric: Fabric,
    progress: Progress,
    stop: Stop,
) -> Iterator[StepEnded | EpochEnded]:
    """Train, and keep every epoch; end in good time if somebody asks for it."""
    recipe = assembly.recipe

    def watched(label: str, done: int, total: int) -> None:
        progress(label, done, total)
        if stop.asked and fabric.world_size == 1:  # several have to agree on where they end
            raise _Asked

    try:
        with stop.in_good_time():
            for event in fit(
                learner, batches, assembly.loss, assembly.scorer(assembly.scored_on, fabric, watched),
                fabric, recipe.training, seed=recipe.seed, names=assembly.splits["train"].names,
                higher_is_better=_higher_is_better(recipe),
            ):  # fmt: skip
                if isinstance(event, EpochEnded):
                    journal.epoch_ended(learner, event)
                else:
                    journal.step_ended(learner)
                yield event
                if any_process(stop.asked, fabric):
                    raise _Asked
    except _Asked:
        journal.save(learner)
        raise _interrupted(learner, batches.steps, journal.directory) from None


class _Asked(Exception):
    """Somebody wants the run to stop, and everything is at rest."""


def _interrupted(learner: Learner, steps: int, directory: RunDir) -> Interrupted:
    done = f"after epoch {learner.epoch}"
    if learner.so_far.steps:
        done = f"in epoch {learner.epoch + 1}, after step {learner.so_far.steps} of {steps}"
    return Interrupted(f"stopped {done}; all that was done is saved", hint=f"segkit resume {directory.path}")


def _score_best(assembly: Assembly, fabric: Fabric, directory: RunDir, progress: Progress) -> Scores:
    """Score the model as it is by now, image by image, and keep scores and samples."""
    reported, task = assembly.splits[assembly.reported_on], assembly.task
    kept: list[list[Pixels]] = []
    scorer = assembly.scorer(
        assembly.reported_on, fabric, progress, lambda logits: kept.append(predicted_masks(logits, task))
    )
    scores = scorer(assembly.model)
    predicted = [*chain.from_iterable(gather_dealt(kept, fabric, everywhere=False))]
    if not fabric.is_global_zero:
        return scores
    samples = pick_samples(
        reported, predicted, scores, task, higher_is_better=_higher_is_better(assembly.recipe)
    )
    with directory.written():
        directory.write_scores(reported.names, scores.per_image)
        directory.write_samples(samples, mask_palette(task))
        write_thumbnails(directory.thumbnails, thumbnails(reported, predicted, task))
    return scores


def _higher_is_better(recipe: Recipe) -> bool:
    return bool(entry_for(recipe.metrics[0]).traits["higher_is_better"])

"""The sentence: a recipe is assembled, fitted, kept in a run directory, and reported."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from segkit.assemble import Assembly, assemble
from segkit.checkpoint import load_weights, save_state, save_weights
from segkit.dataset import Progress
from segkit.environment import data_digests, environment
from segkit.evaluate import Scores
from segkit.events import EpochEnded, Event, RunEnded, RunStarted, StepEnded
from segkit.fabric import choose_device, count_processes, device_name, make_fabric
from segkit.fabric import place as place_model
from segkit.fit import Learner, fit, make_learner
from segkit.identity import identify
from segkit.model import digest
from segkit.parallel import gather_dealt, told_once
from segkit.processes import launch, place_here
from segkit.recipe import Recipe, dump_recipe, entry_for, used_plugins
from segkit.report import write_report
from segkit.run_dir import RunDir
from segkit.samples import mask_palette, pick_samples, predicted_masks, thumbnails
from segkit.summary import summarise
from segkit.thumbnails import write_thumbnails

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from segkit.contracts import Pixels
    from segkit.data.batches import TrainBatches


def run(recipe: Recipe, runs: Path, progress: Progress = lambda label, done, total: None) -> Iterator[Event]:
    """Run a recipe from data to report.

    A run that fails or is interrupted leaves recipe, environment, the epochs so far and their checkpoints;
    it is complete once there is a `summary.json`. Where the recipe asks for several processes, they are
    started here, unless a launcher has started this one as one of them.

    Args:
        recipe: as `load_recipe` gives it.
        runs: folder of all runs; this one gets a new directory in it.
        progress: told a label, how much is done, and how much there is, while data are prepared and scored.

    Yields:
        What happens, while it happens.

    Raises:
        SegkitError: if data, weights or shapes are at fault, or the training fails.
    """
    place = place_here()
    processes = count_processes(recipe.training, place)
    if processes and not place:
        yield from launch("segkit.run:run", dump_recipe(recipe), runs, processes, progress)
        return
    fabric = make_fabric(recipe.training, place)
    with told_once(fabric, place):
        yield from _run(recipe, runs, fabric, progress)


def _run(recipe: Recipe, runs: Path, fabric: Fabric, progress: Progress) -> Iterator[Event]:
    """The run in one process; of several, the first alone writes."""
    clock = time.perf_counter()
    with fabric.rank_zero_first(local=True):  # what it downloads or keeps, the others find
        assembly = assemble(recipe, progress)
    batches = assembly.train_batches(fabric.global_rank, fabric.world_size)
    directory = _new_directory(assembly, runs, fabric)
    yield (started := _started(assembly, fabric, directory))

    place_model(assembly.model, fabric, recipe.training)
    before = digest(assembly.model.encoder)
    epochs: list[EpochEnded] = []
    for event in _fit(assembly, batches, fabric, directory, progress):
        if isinstance(event, EpochEnded):
            epochs.append(event)
        yield event
    digests = (before, digest(assembly.model.encoder))

    fabric.barrier()  # until they are written
    load_weights(assembly.model, directory.checkpoints / "best.safetensors")
    scores = _score_best(assembly, fabric, directory, progress)
    summary = summarise(
        assembly, started, epochs, scores,
        higher_is_better=_higher_is_better(recipe), seconds=time.perf_counter() - clock, digests=digests,
    )  # fmt: skip
    if fabric.is_global_zero:
        directory.write_summary(summary)
        write_report(directory)
    yield RunEnded(directory.path, summary, directory.report)


def _new_directory(assembly: Assembly, runs: Path, fabric: Fabric) -> RunDir:
    """A directory that the first process makes, and all know."""
    directory: Any = None
    if fabric.is_global_zero:
        directory = RunDir.create(runs, assembly.recipe.name)
        directory.write_recipe(dump_recipe(assembly.recipe))
        directory.write_environment(_surroundings(assembly, fabric))
    shared: RunDir = fabric.broadcast(directory)
    return shared


def _fit(
    assembly: Assembly, batches: TrainBatches, fabric: Fabric, directory: RunDir, progress: Progress
) -> Iterator[StepEnded | EpochEnded]:
    """Train, and keep every epoch."""
    recipe = assembly.recipe
    learner = make_learner(assembly.model, *assembly.optimization(batches.steps), recipe.training)
    score = assembly.scorer(assembly.scored_on, fabric, progress)
    for event in fit(
        learner, batches, assembly.loss, score, fabric, recipe.training,
        seed=recipe.seed, names=assembly.splits["train"].names, higher_is_better=_higher_is_better(recipe),
    ):  # fmt: skip
        if isinstance(event, EpochEnded) and fabric.is_global_zero:
            _keep(learner, directory, event)
        yield event


def _keep(learner: Learner, directory: RunDir, event: EpochEnded) -> None:
    """Save an epoch. The state comes last: what it tells is there, whenever the run is interrupted."""
    if event.best:
        save_weights(learner.scored, directory.checkpoints / "best.safetensors")
    save_weights(learner.scored, directory.checkpoints / "last.safetensors")
    directory.record(event)
    save_state(learner, directory.checkpoints / "last.state.pt")


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
    directory.write_scores(reported.names, scores.per_image)
    samples = pick_samples(
        reported, predicted, scores, task, higher_is_better=_higher_is_better(assembly.recipe)
    )
    directory.write_samples(samples, mask_palette(task))
    write_thumbnails(directory.thumbnails, thumbnails(reported, predicted, task))
    return scores


def _higher_is_better(recipe: Recipe) -> bool:
    return bool(entry_for(recipe.metrics[0]).traits["higher_is_better"])


def _surroundings(assembly: Assembly, fabric: Fabric) -> dict[str, Any]:
    return {
        **environment(),
        "identity": identify(assembly.recipe).as_json(),
        "device": _devices(fabric),
        "encoder_digest": digest(assembly.model.encoder),
        "data_digests": data_digests(assembly.splits),
        "plugins": [plugin.as_json() for plugin in used_plugins(assembly.recipe)],
    }


def _devices(fabric: Fabric) -> str:
    name, processes = device_name(fabric.device), fabric.world_size
    return name if processes == 1 else f"{processes} processes, the first on {name}"


def _started(assembly: Assembly, fabric: Fabric, directory: RunDir) -> RunStarted:
    if fabric.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(fabric.device)  # of this run, not of an earlier one
    return RunStarted(
        recipe=assembly.recipe.name,
        directory=directory.path,
        images={split: len(prepared) for split, prepared in assembly.splits.items()},
        scored_on=assembly.scored_on,
        stages=assembly.stages,
        device=_devices(fabric),
        precision=choose_device(assembly.recipe.training)[1],
        epochs=assembly.recipe.training.epochs,
        metrics=list(assembly.metrics),
        warnings=assembly.warnings,
    )

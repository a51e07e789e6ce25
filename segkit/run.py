"""The sentence: a recipe is assembled, fitted, kept in a run directory, and reported."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from segkit.assemble import Assembly, Progress, assemble, warnings_for
from segkit.checkpoint import load_weights, save_state, save_weights
from segkit.environment import data_digests, environment
from segkit.evaluate import Scores, evaluate
from segkit.events import EpochEnded, Event, RunEnded, RunStarted
from segkit.fabric import device_name, make_fabric
from segkit.fit import Learner, averaged, fit
from segkit.model import digest
from segkit.plugins import loaded_plugins
from segkit.recipe import Recipe, dump_recipe, entry_for
from segkit.report import write_report
from segkit.run_dir import RunDir
from segkit.samples import pick_samples
from segkit.summary import summarise

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import nn


def run(recipe: Recipe, runs: Path, progress: Progress = lambda label, done, total: None) -> Iterator[Event]:
    """Run a recipe from data to report.

    Args:
        recipe: as `load_recipe` gives it.
        runs: folder of all runs; this one gets a new directory in it.
        progress: told a label, how much is done, and how much there is, while data are prepared and scored.

    Yields:
        What happens, while it happens.

    Raises:
        SegkitError: if data, weights or shapes are at fault, or the training fails.
    """
    clock = time.perf_counter()
    assembly = assemble(recipe, progress)
    model, fabric = assembly.model, make_fabric(recipe.training)
    before = digest(model.encoder)
    directory = RunDir.create(runs, recipe.name)
    directory.write_recipe(dump_recipe(recipe))
    directory.write_environment(_surroundings(assembly, fabric, before))
    started = _started(assembly, fabric, directory)
    yield started

    batches = assembly.train_batches
    learner = _learner(assembly, fabric, batches.steps)
    higher_is_better = bool(entry_for(recipe.metrics[0]).traits["higher_is_better"])
    epochs: list[EpochEnded] = []
    for event in fit(
        learner, batches, assembly.loss, _scorer(assembly, fabric, assembly.scored_on, progress), fabric,
        recipe.training, seed=recipe.seed, names=assembly.splits["train"].names, higher_is_better=higher_is_better,
    ):  # fmt: skip
        if isinstance(event, EpochEnded):
            _save(learner, directory, best=event.best)
            directory.record(event)
            epochs.append(event)
        yield event

    load_weights(model, directory.checkpoints / "best.safetensors")
    scores = _scorer(assembly, fabric, assembly.reported_on, progress)(model)
    reported = assembly.splits[assembly.reported_on]
    directory.write_scores(reported.names, scores.per_image)
    directory.write_samples(
        pick_samples(model, reported, scores, fabric.device, higher_is_better=higher_is_better)
    )
    seconds = time.perf_counter() - clock
    summary = summarise(
        assembly, started, epochs, scores, seconds=seconds, digests=(before, digest(model.encoder))
    )
    directory.write_summary(summary)
    yield RunEnded(directory.path, summary, write_report(directory))


def _learner(assembly: Assembly, fabric: Fabric, steps_per_epoch: int) -> Learner:
    """The model on its device, with what makes it learn."""
    settings = assembly.recipe.training
    layout = torch.channels_last if settings.channels_last else torch.contiguous_format
    model = assembly.model.to(device=fabric.device, memory_format=layout)  # type: ignore[call-overload]
    optimizer, schedule = assembly.optimization(steps_per_epoch)
    return Learner(model, optimizer, schedule, averaged(model, settings.ema_decay))


def _scorer(
    assembly: Assembly, fabric: Fabric, split: str, progress: Progress
) -> Callable[[nn.Module], Scores]:
    """Scores a model on a split, in the run's precision."""
    batches = assembly.eval_batches(split)

    def score(model: nn.Module) -> Scores:
        report = partial(_scored, progress, f"scoring {split} images", len(batches))
        with fabric.autocast():
            return evaluate(model, batches, assembly.metrics, assembly.loss, fabric.device, report)

    return score


def _scored(progress: Progress, label: str, total: int, done: int) -> None:
    progress(label, done, total)


def _save(learner: Learner, directory: RunDir, *, best: bool) -> None:
    save_weights(learner.scored, directory.checkpoints / "last.safetensors")
    save_state(learner, directory.checkpoints / "last.state.pt")
    if best:
        save_weights(learner.scored, directory.checkpoints / "best.safetensors")


def _surroundings(assembly: Assembly, fabric: Fabric, encoder_digest: str) -> dict[str, Any]:
    return {
        **environment(),
        "device": device_name(fabric.device),
        "encoder_digest": encoder_digest,
        "data_digests": data_digests(assembly.splits),
        "plugins": loaded_plugins(),
    }


def _started(assembly: Assembly, fabric: Fabric, directory: RunDir) -> RunStarted:
    return RunStarted(
        recipe=assembly.recipe.name,
        directory=directory.path,
        images={split: len(prepared) for split, prepared in assembly.splits.items()},
        scored_on=assembly.scored_on,
        stages=assembly.stages,
        device=device_name(fabric.device),
        precision=str(fabric._precision.precision),
        epochs=assembly.recipe.training.epochs,
        metrics=list(assembly.metrics),
        warnings=warnings_for(assembly.recipe, set(assembly.splits)),
        plugins=loaded_plugins(),
    )

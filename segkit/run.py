"""The sentence: a recipe is assembled, fitted, kept in a run directory, and reported."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
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
    started = time.perf_counter()
    assembly = assemble(recipe, progress)
    fabric = make_fabric(recipe.training)
    learner, batches = _learner(assembly, fabric)
    directory = RunDir.create(runs, recipe.name)
    digest_before = digest(assembly.model.encoder)
    directory.write_recipe(dump_recipe(recipe))
    directory.write_environment(_surroundings(assembly, fabric, digest_before))
    yield _started(assembly, fabric, directory)

    score = _scorer(assembly, fabric.device, assembly.scored_on, progress)
    higher_is_better = entry_for(recipe.metrics[0]).traits["higher_is_better"]
    epochs: list[EpochEnded] = []
    for event in fit(
        learner, batches, assembly.loss, score, fabric, recipe.training,
        seed=recipe.seed, names=assembly.splits["train"].names, higher_is_better=higher_is_better,
    ):  # fmt: skip
        if isinstance(event, EpochEnded):
            _save(learner, directory, best=event.best)
            directory.record(event)
            epochs.append(event)
        yield event

    load_weights(assembly.model, directory.checkpoints / "best.safetensors")
    scores = _scorer(assembly, fabric.device, assembly.reported_on, progress)(assembly.model)
    reported = assembly.splits[assembly.reported_on]
    directory.write_scores(reported.names, scores.per_image)
    directory.write_samples(pick_samples(assembly, scores, fabric.device, higher_is_better))
    summary = summarise(
        assembly, epochs, scores,
        seconds=time.perf_counter() - started,
        digests=(digest_before, digest(assembly.model.encoder)),
    )  # fmt: skip
    directory.write_summary(summary)
    yield RunEnded(directory.path, summary, write_report(directory))

"""Searches whose trials are simulated: the score of a recipe is known."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from segkit.core.errors import Interrupted, TrainingError
from segkit.core.events import EpochEnded, Event, RunEnded, RunStarted
from segkit.experiments.fold_scores import FoldScores
from segkit.recipe import load_dumped
from segkit.runs.run_dir import RunDir

RECIPE = """
name: simulated
data:
  source: {name: synthetic_lesions, train: 4, val: 2, test: 2, size: 32}
  size: [32, 32]
  cache: false
model:
  encoder: {name: test_resnet, weights: none}
  decoder: {name: transposed_conv, channels: [8]}
loss: dice
optimizer: {name: adamw, lr: 0.01}
metrics: [iou, dice]
training: {epochs: 4, accelerator: cpu}
"""
SEARCH = (
    "optimizer.lr=log:1e-4..1e-1", "optimizer.weight_decay=0.003,0.03,0.3", "model.decoder.dropout=0.0..0.5",
)  # fmt: skip
SIMULATE = "tests.experiments.tuning.case:simulate"


def simulate(text: str, runs: Path, resumable: Path | None) -> Iterator[Event]:
    """A run whose score depends on the searched values alone; it writes no directory."""
    recipe = load_dumped(text)
    final, epochs = score(recipe), recipe.training.epochs
    yield RunStarted(recipe.name, runs / "simulated", {}, "val", [], "", "", epochs, ["iou", "dice"])
    for epoch in range(1, epochs + 1):
        time.sleep(float(os.environ.get("SIMULATED_SECONDS", "0")))  # of an epoch
        value = final * (1 - math.exp(-4 * epoch / epochs))
        yield EpochEnded(epoch, 0.0, 0.0, {"iou": value, "dice": value}, 0.0, 1.0, 1.0, 1.0, True)
    best = SimpleNamespace(metrics={"iou": value, "dice": value})
    yield RunEnded(runs / "simulated", SimpleNamespace(best=best), runs)


def score(recipe: Any) -> float:
    """The highest score, 0.85, is at lr 0.003, weight decay 0.03 and dropout 0.2."""
    options = recipe.optimizer.options
    return float(
        0.85
        - 0.05 * abs(math.log10(options["lr"] / 0.003))
        - 0.02 * abs(math.log10(options["weight_decay"] / 0.03))
        - 0.1 * abs(recipe.model.decoder.options["dropout"] - 0.2)
    )


def simulate_interrupted(text: str, runs: Path, resumable: Path | None) -> Iterator[Event]:
    """The first run is interrupted after two epochs."""
    for number, event in enumerate(simulate(text, runs, resumable)):
        yield event
        if number == 2 and _is_first(runs):
            raise Interrupted("stopped after epoch 2")


def simulate_failing_once(text: str, runs: Path, resumable: Path | None) -> Iterator[Event]:
    """The first run fails."""
    if _is_first(runs):
        raise TrainingError("the loss is nan")
    yield from simulate(text, runs, resumable)


def simulate_failing(text: str, runs: Path, resumable: Path | None) -> Iterator[Event]:
    """Every run fails."""
    raise TrainingError("the loss is nan")
    yield


def _is_first(runs: Path) -> bool:
    runs.mkdir(parents=True, exist_ok=True)
    mark = runs / "begun"
    is_first = not mark.exists()
    mark.touch()
    return is_first


FOLD_IMAGES = 2


def simulate_fold(text: str, runs: Path, run: Path | None) -> Iterator[Event | FoldScores]:
    """A fold, whose images have the score of the recipe, and 0.01 for each fold before it."""
    recipe = load_dumped(text)
    fold = recipe.data.split.fold or 0
    *events, ended = simulate(text, runs, run)
    yield from events
    directory = RunDir(runs / f"{score(recipe):.9f}" / str(fold))
    directory.weights.parent.mkdir(parents=True, exist_ok=True)
    directory.weights.touch()
    yield replace(ended, directory=directory.path)
    value = score(recipe) + 0.01 * fold
    yield FoldScores(
        names=[f"{fold}{image}" for image in range(FOLD_IMAGES)],
        groups=None,
        rows={name: np.full((FOLD_IMAGES, 1), value) for name in ("iou", "dice")},
        pixels=np.ones((FOLD_IMAGES, 1, 3), int),
        confusion=np.ones((1, 2, 2), int),
        metrics={"iou": value, "dice": value},
        digests=[b"image"] * FOLD_IMAGES,
        warnings=[],
    )  # fmt: skip


def simulate_second_fold_failing(text: str, runs: Path, run: Path | None) -> Iterator[Event | FoldScores]:
    """The first fold ends, the second one fails."""
    if load_dumped(text).data.split.fold:
        raise TrainingError("the loss is nan")
    yield from simulate_fold(text, runs, run)

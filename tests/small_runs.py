"""Recipes that run in seconds, and what is left of their runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from segkit.core.events import Event
from segkit.experiments.run import run
from segkit.recipe import Recipe, load_recipe
from segkit.runs.run_dir import RunDir

RECIPE = """
name: small
seed: 3
data:
  source: {name: synthetic_lesions, train: 10, test: 5, size: 64}
  size: [64, 64]
  augment: [{name: HorizontalFlip, p: 0.5}]
  batch_size: 4
model:
  encoder: {name: test_resnet, weights: none}
  decoder: {name: transposed_conv, channels: [16, 8], dropout: 0.1}
loss: [dice, bce]
optimizer: {name: adamw, lr: 0.01}
schedule: one_cycle
metrics: [iou, dice]
training: {epochs: 2, accelerator: cpu}
"""


def recipe(folder: Path, *overrides: str) -> Recipe:
    """The small recipe with `overrides`, as `--set` takes them."""
    file = folder / "small.yaml"
    file.write_text(RECIPE, encoding="utf-8")
    return load_recipe(file, overrides)


def finished(folder: Path, *overrides: str) -> tuple[RunDir, list[Event]]:
    """A whole run of the small recipe."""
    events = list(run(recipe(folder, *overrides), folder / "runs"))
    return RunDir.open(sorted((folder / "runs" / "small").iterdir())[-1]), events


def unreported(folder: Path, *overrides: str) -> tuple[RunDir, list[Event]]:
    """As `finished`, with a line in place of the report, which takes four fifths of a small run's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("segkit.experiments.recorder.write_report", light_report)
        return finished(folder, *overrides)


def light_report(directory: RunDir) -> Path:
    directory.report.write_text("<p>a report</p>", encoding="utf-8")
    return directory.report

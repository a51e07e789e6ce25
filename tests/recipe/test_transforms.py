"""Transforms are built again in worker processes that share no memory with their parent."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from segkit.core.types import Transform
from segkit.recipe import load_recipe
from segkit.recipe.build import Transforms

PLUGIN = '''
from segkit import TRANSFORMS

@TRANSFORMS.register("add")
def add(*, value: int = 1):
    """Adds a value to the image."""
    def transform(image, mask, rng):  # has no name to be found by
        return image + value, mask
    return transform
'''
RECIPE = """
name: several transforms
plugins: [add.py]
data:
  source: synthetic_lesions
  size: [64, 64]
  augment: [{name: add, value: 7}, {name: HorizontalFlip, p: 0.5}, {name: GaussNoise, p: 1.0}]
model: {encoder: {name: test_resnet, weights: none}, decoder: transposed_conv}
loss: dice
optimizer: adamw
metrics: iou
"""
WORKER = """
import pickle, sys
from tests.recipe.test_transforms import applied
transforms = pickle.load(sys.stdin.buffer)
pickle.dump(applied(transforms), sys.stdout.buffer)
"""


def applied(transforms: list[Transform]) -> tuple[object, object]:
    image, mask = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8)
    image[:, 0] = mask[:, 0] = 1
    rng = np.random.default_rng(3)
    for transform in transforms:
        image, mask = transform(image, mask, rng)
    return image, mask


@pytest.fixture
def transforms(tmp_path: Path) -> Transforms:
    (tmp_path / "add.py").write_text(PLUGIN)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    return Transforms.of(load_recipe(tmp_path / "recipe.yaml"))


def test_another_process_applies_the_same(transforms: Transforms) -> None:
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", WORKER],
        input=pickle.dumps(transforms),
        capture_output=True,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert done.returncode == 0, done.stderr.decode()
    here, there = applied(transforms), pickle.loads(done.stdout)
    assert len(transforms) == 3
    assert here[0].max() > 7  # type: ignore[attr-defined]
    for mine, other in zip(here, there, strict=True):
        np.testing.assert_array_equal(mine, other)

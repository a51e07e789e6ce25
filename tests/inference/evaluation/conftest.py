"""Small runs that are scored again: at half the size of their images, so that own sizes differ."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from segkit.core.types import Sample
from segkit.inference.evaluation.evaluate_runs import evaluate_runs
from segkit.inference.evaluation.evaluation import EvaluateOptions, Evaluation
from segkit.recipe import load_recipe
from segkit.recipe.dataset import find_samples
from segkit.runs.run_dir import RunDir
from tests.small_runs import unreported

NATIVE = EvaluateOptions(native=True)
HALF = ("data.size=[32, 32]", "training.epochs=6")
TASKS = {
    "binary": (),
    "multiclass": ("data.task=multiclass", "data.classes=[skin, lesion, hair]", "loss=[dice, cross_entropy]"),
    "multilabel": ("data.task=multilabel", "data.classes=[lesion, hair]"),
}


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], RunDir]:
    """The run of a task, by its kind; trained once."""

    @cache
    def of(kind: str) -> RunDir:
        return unreported(tmp_path_factory.mktemp(kind), *HALF, *TASKS[kind])[0]

    return of


@pytest.fixture(scope="session")
def run(trained: Callable[[str], RunDir]) -> RunDir:
    return trained("binary")


@pytest.fixture(scope="session")
def second(run: RunDir) -> RunDir:
    """The same recipe with another seed."""
    return unreported(run.path.parents[2], *HALF, "seed=4")[0]


@pytest.fixture(params=["binary", "multilabel", pytest.param("multiclass", marks=pytest.mark.slow)])
def of_a_task(request: pytest.FixtureRequest, trained: Callable[[str], RunDir]) -> RunDir:
    return trained(request.param)


def like(run: RunDir, directory: Path, section: str = "data", **changes: object) -> RunDir:
    """A run's weights in another run with another recipe: the network takes images of any size."""
    shutil.copytree(run.path, directory)
    recipe = yaml.safe_load((directory / "recipe.yaml").read_text(encoding="utf-8"))
    recipe[section] |= changes
    (directory / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    other = RunDir.open(directory)
    other.write_environment(other.read_environment().model_copy(update={"recipe": recipe}))
    return other


def drawn(folder: Path, sizes: dict[str, tuple[int, int]], seed: int = 0) -> str:
    """Photographs with masks, one file each, by name and (width, height).

    Returns:
        The source, as `--set` takes it.
    """
    random = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    for name, (width, height) in sizes.items():
        image = random.integers(0, 256, (height, width, 3), np.uint8)
        mask = np.zeros((height, width), np.uint8)
        mask[height // 4 : -height // 4, width // 3 : -width // 5] = 255
        Image.fromarray(image).save(folder / "images" / f"{name}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{name}.png")
    return f"data.source={{name: folder, images: {folder / 'images'}, masks: {folder / 'masks'}}}"


def scored(*runs: RunDir, asking: EvaluateOptions = NATIVE, overrides: tuple[str, ...] = ()) -> Evaluation:
    return evaluate_runs(runs, asking, overrides)


def samples_of(run: RunDir) -> list[Sample]:
    return find_samples(load_recipe(run.recipe))["test"]

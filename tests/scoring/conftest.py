"""Small runs that are scored again: at half the size of their images, so that own sizes differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from segkit.run_dir import RunDir
from tests.small_runs import finished

HALF = ("data.size=[32, 32]", "training.epochs=1")
TASKS = {
    "binary": (),
    "multiclass": ("data.task=multiclass", "data.classes=[skin, lesion, hair]", "loss=[dice, cross_entropy]"),
    "multilabel": ("data.task=multilabel", "data.classes=[lesion, hair]"),
}


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scored")


@pytest.fixture(scope="session")
def run(shelf: Path) -> RunDir:
    return finished(shelf, *HALF)[0]


@pytest.fixture(scope="session")
def second(shelf: Path, run: RunDir) -> RunDir:
    """The same recipe with another seed."""
    return finished(shelf, *HALF, "seed=4")[0]


@pytest.fixture(scope="session", params=TASKS)
def of_a_task(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    return finished(tmp_path_factory.mktemp(request.param), *HALF, *TASKS[request.param])[0]

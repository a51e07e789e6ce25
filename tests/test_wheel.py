"""segkit without a clone: the wheel that is built from the source distribution, used in an empty folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from segkit.recipe import load_recipe
from tests.recipe.cases import RECIPES

pytestmark = pytest.mark.slow

ROOT = RECIPES.parent
SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "segkit", "recipes")
FEW = [
    "training.epochs=1",
    "data.source={name: synthetic_lesions, train: 8, val: 4, test: 4}",
    "data.size=[64, 64]",
]


class Installed:
    """An unpacked wheel, and an empty folder to work in."""

    def __init__(self, packages: Path, folder: Path) -> None:
        self.packages, self.folder, self.home = packages, folder, folder.with_name("home")
        folder.mkdir()

    def segkit(self, *words: str) -> subprocess.CompletedProcess[str]:
        python = {"PYTHONPATH": str(self.packages), "PYTHONDONTWRITEBYTECODE": "1"}
        environment = {**os.environ, "SEGKIT_HOME": str(self.home), **python}
        command = [sys.executable, "-m", "segkit", *words]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)

    def files(self) -> list[Path]:
        return sorted(self.packages.rglob("*"))


def build(what: str, source: Path, target: Path) -> Path:
    """What pip does with the build backend of pyproject.toml, in the environment of the tests."""
    target.mkdir()
    code = f"from setuptools import build_meta\nbuild_meta.build_{what}({str(target)!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = target.iterdir()
    return built


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    root = tmp_path_factory.mktemp("wheel")
    checkout = root / "checkout"  # a copy: building leaves folders behind
    checkout.mkdir()
    for name in SOURCES:
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, checkout / name)
    with tarfile.open(build("sdist", checkout, root / "sdist")) as archive:
        archive.extractall(root / "unpacked", filter="data")
    shutil.rmtree(checkout)
    (source,) = (root / "unpacked").iterdir()
    with zipfile.ZipFile(build("wheel", source, root / "wheel")) as archive:
        archive.extractall(root / "packages")
    shutil.rmtree(source)
    return Installed(root / "packages", root / "empty")


def test_the_wheel_has_the_recipes_of_the_checkout(installed: Installed) -> None:
    folder = installed.packages / "segkit" / "recipes"
    shipped = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert shipped == {file.name: file.read_bytes() for file in RECIPES.iterdir()}
    assert [file.name for file in installed.packages.iterdir() if "recipes" in file.name] == []


def test_a_recipe_runs_by_name_and_its_copy_is_complete(installed: Installed) -> None:
    before = installed.files()
    done = installed.segkit("run", "quickstart", *(word for one in FEW for word in ("--set", one)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in installed.folder.iterdir()] == ["runs"]
    saved = load_recipe(installed.folder / "runs" / "quickstart" / "001" / "recipe.yaml")
    assert saved == load_recipe(RECIPES / "quickstart.yaml", FEW)
    assert installed.files() == before


def test_recipes_are_listed_shown_and_copied(installed: Installed) -> None:
    listed = json.loads(installed.segkit("list", "recipes", "--json").stdout)["recipes"]
    assert [*listed] == sorted(file.stem for file in RECIPES.glob("*.yaml"))
    shown = json.loads(installed.segkit("show", "recipe", "isic_unet", "--json").stdout)
    assert shown["where"] == str(installed.packages / "segkit" / "recipes" / "isic_unet.yaml")
    copied = installed.segkit("new", "recipe", "mine", "--from", "isic_unet", "--into", "copies")
    assert copied.returncode == 0, copied.stderr
    checked = installed.segkit("check", "copies/mine.yaml", "--demo")
    assert checked.returncode == 0, checked.stderr


def test_data_that_is_missing_is_missed_in_the_user_s_folder(installed: Installed) -> None:
    done = installed.segkit("check", "isic_frozen", "--json")
    (problem,) = json.loads(done.stdout)["errors"]
    assert problem["file"] == str(installed.home / "data" / "isic2016")
    assert problem["hint"].startswith("download them with 'segkit data fetch isic2016', ")

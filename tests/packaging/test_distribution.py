"""Wheel and sdist, each tried outside of the checkout."""

from __future__ import annotations

import json
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from segkit.recipe import load_recipe
from segkit.version import __version__
from tests.environments import call, fresh_python, printed
from tests.recipe.cases import RECIPES

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FEW = ("--set=training.epochs=1", "--set=data.source.train=8", "--set=data.source.test=4")
PART_OF_THE_TESTS = ("tests/core", "tests/packaging", "tests/pages/test_contracts_page.py")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist."""
    folder = tmp_path_factory.mktemp("built")
    printed(sys.executable, "hatchling", "build", "-d", str(folder), folder=ROOT)
    names = {f"segkit_torch-{__version__}-py3-none-any.whl", f"segkit_torch-{__version__}.tar.gz"}
    assert {file.name for file in folder.iterdir()} == names
    return folder


@pytest.fixture(scope="module")
def python(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment in which the wheel is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    python = fresh_python(folder)
    options = ("--no-index", "--no-deps", "--force-reinstall")
    printed(python, "pip", "install", *options, str(next(built.glob("*.whl"))), folder=folder)
    return python


def test_the_wheel_has_the_recipes_of_the_checkout(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = [name for name in wheel.namelist() if "recipes" in Path(name).parts]
        shipped = {Path(name).name: wheel.read(name) for name in names if name.startswith("segkit/recipes/")}
    assert shipped == {file.name: file.read_bytes() for file in RECIPES.iterdir()}
    assert len(names) == len(shipped)


def test_the_wheel_trains_and_a_new_plugin_is_installed_beside_it_without_an_index(
    python: Path, tmp_path: Path
) -> None:
    printed(python, "segkit", "run", "quickstart", *FEW, folder=tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["runs"]
    saved = load_recipe(tmp_path / "runs" / "quickstart" / "001" / "recipe.yaml")
    given = [word.removeprefix("--set=") for word in FEW]
    assert saved == load_recipe(RECIPES / "quickstart.yaml", [*given, "data.channels=3"])

    printed(python, "segkit", "new", "decoder", "mydec", "--into", "made", folder=tmp_path)
    # With its dependencies: segkit-torch is there, and nothing asks for `segkit`.
    options = ("--no-index", "--no-build-isolation")
    told = printed(python, "pip", "install", *options, "made/mydec", folder=tmp_path)
    assert "Requirement already satisfied: segkit-torch" in told
    assert "Successfully installed segkit-mydec-0.1.0" in told
    listed = call(python, "segkit", "list", "decoders", folder=tmp_path)
    assert "mydec from segkit-mydec 0.1.0 (installed)" in listed.stderr
    model = "--set=model.decoder=mydec"
    printed(python, "segkit", "run", "quickstart", *FEW, model, folder=tmp_path)


def test_recipes_are_listed_shown_and_copied(python: Path, tmp_path: Path) -> None:
    listed = json.loads(printed(python, "segkit", "list", "recipes", "--json", folder=tmp_path))["recipes"]
    assert [*listed] == sorted(file.stem for file in RECIPES.glob("*.yaml"))
    shown = json.loads(printed(python, "segkit", "show", "recipe", "isic_unet", "--json", folder=tmp_path))
    assert Path(shown["where"]).is_relative_to(python.parents[1])
    printed(
        python, "segkit", "new", "recipe", "mine", "--from", "isic_unet", "--into", "copies", folder=tmp_path
    )
    printed(python, "segkit", "check", "copies/mine.yaml", "--demo", folder=tmp_path)


def test_data_that_is_missing_is_missed_in_the_user_s_folder(python: Path, tmp_path: Path) -> None:
    done = call(python, "segkit", "check", "isic_frozen", "--json", folder=tmp_path)
    (problem,) = json.loads(done.stdout)["errors"]
    assert problem["file"] == str(tmp_path / "data" / "isic2016")
    assert problem["hint"].startswith("download them with 'segkit data fetch isic2016', ")


def test_the_sdist_runs_its_own_tests(built: Path, tmp_path: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / f"segkit_torch-{__version__}"
    needed = {"CHANGELOG.md", "CONTRIBUTING.md", "docs", "noxfile.py", "plugins", "recipes", "tests"}
    assert needed <= {path.name for path in folder.iterdir()}
    options = ("-q", "-n", "0", "-p", "no:cacheprovider")
    told = call(sys.executable, "pytest", *options, *PART_OF_THE_TESTS, folder=folder)
    assert told.returncode == 0, told.stdout + told.stderr

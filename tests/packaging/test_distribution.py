"""Wheel and sdist, each tried outside of the checkout."""

from __future__ import annotations

import shutil
import sys
import tarfile
from pathlib import Path

import pytest

from segkit.version import __version__
from tests.environments import call, fresh_python, printed

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


def test_the_wheel_trains_and_a_new_plugin_is_installed_beside_it_without_an_index(
    python: Path, tmp_path: Path
) -> None:
    shutil.copy(ROOT / "recipes" / "quickstart.yaml", tmp_path)
    printed(python, "segkit", "run", "quickstart.yaml", *FEW, folder=tmp_path)
    assert (tmp_path / "runs" / "quickstart" / "001" / "report.html").is_file()

    printed(python, "segkit", "new", "decoder", "mydec", "--into", "made", folder=tmp_path)
    # With its dependencies: segkit-torch is there, and nothing asks for `segkit`.
    options = ("--no-index", "--no-build-isolation")
    told = printed(python, "pip", "install", *options, "made/mydec", folder=tmp_path)
    assert "Requirement already satisfied: segkit-torch" in told
    assert "Successfully installed segkit-mydec-0.1.0" in told
    listed = call(python, "segkit", "list", "decoders", folder=tmp_path)
    assert "mydec from segkit-mydec 0.1.0 (installed)" in listed.stderr
    model = "--set=model.decoder=mydec"
    printed(python, "segkit", "run", "quickstart.yaml", *FEW, model, folder=tmp_path)


def test_the_sdist_runs_its_own_tests(built: Path, tmp_path: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / f"segkit_torch-{__version__}"
    needed = {"CHANGELOG.md", "CONTRIBUTING.md", "docs", "noxfile.py", "plugins", "recipes", "tests"}
    assert needed <= {path.name for path in folder.iterdir()}
    options = ("-q", "-n", "0", "-p", "no:cacheprovider")
    told = call(sys.executable, "pytest", *options, *PART_OF_THE_TESTS, folder=folder)
    assert told.returncode == 0, told.stdout + told.stderr

"""Where a run took place."""

import subprocess
import sys
from pathlib import Path

import numpy as np

import segkit
from segkit.data.preprocess import Prepared
from segkit.runs import environment as module
from segkit.runs.environment import data_digests, environment, packages


def prepared(names=("a", "b"), value=0, mask=0):
    images, masks = np.full((2, 4, 4, 3), value, np.uint8), np.full((2, 4, 4), mask, np.uint8)
    return Prepared(list(names), images, masks)


def test_environment_names_versions_and_hardware():
    found = environment()
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["cores"] >= 1
    assert found["processor"]
    assert found["packages"]["torch"]
    assert found["command"] == sys.argv


def test_version_of_segkit_is_its_own_and_not_of_a_package_of_that_name(monkeypatch):
    """The package `segkit` of the package index is another project."""
    monkeypatch.setattr("importlib.metadata.version", lambda name: f"installed {name}")
    assert packages()["segkit"] == segkit.__version__
    assert packages()["timm"] == "installed timm"


def test_package_that_is_not_there_has_no_version(monkeypatch):
    monkeypatch.setattr(module, "PACKAGES", ("torch", "surely-not-installed"))
    assert environment()["packages"]["surely-not-installed"] is None


def test_digests_tell_names_pixels_and_masks_apart():
    base = data_digests({"train": prepared(), "test": prepared()})
    assert base["train"] == base["test"]
    for other in (prepared(names=("a", "c")), prepared(value=1), prepared(mask=1)):
        assert data_digests({"train": other})["train"] != base["train"]


def test_revision_is_that_of_the_code_and_of_nothing_around_it(tmp_path, monkeypatch):
    git = ["git", "-c", "user.name=n", "-c", "user.email=e", "-C", str(tmp_path)]
    package = tmp_path / "segkit"
    package.mkdir()
    (package / "__init__.py").write_text("")
    subprocess.run([*git, "init", "--quiet"], check=True)
    monkeypatch.setattr(module, "__file__", str(package / "environment.py"))
    assert environment()["git"] is None  # installed inside a checkout of something else
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "first"], check=True)
    (tmp_path / "notes.txt").write_text("not code")
    found = environment()["git"]
    assert len(found["revision"]) == 40
    assert found["changed"] is False
    (package / "new.py").write_text("")
    assert environment()["git"]["changed"] is True


def test_no_git_no_revision(monkeypatch):
    monkeypatch.setenv("PATH", str(Path("nowhere")))
    assert environment()["git"] is None

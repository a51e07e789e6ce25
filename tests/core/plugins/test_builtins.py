"""A part becomes a built-in one by lying in the folder of its kind: there is no list."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import segkit
from tests.recipe.cases import written

pytestmark = pytest.mark.slow

SEGKIT = Path(segkit.__file__).parent
ONE_CONV = SEGKIT.parent / "plugins" / "one_conv"
Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A command of a copy of segkit, to put parts into."""
    shutil.copytree(SEGKIT, tmp_path / "segkit", ignore=shutil.ignore_patterns("__pycache__"))

    def run(*words: str) -> str:
        command = [sys.executable, "-m", "segkit", *words]  # of the working directory
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def as_a_folder(decoders: Path) -> None:
    shutil.copytree(ONE_CONV, decoders / "one_conv")


def as_a_file_and_what_needs_torch(decoders: Path) -> None:
    shutil.copy(ONE_CONV / "__init__.py", decoders / "one_conv.py")
    shutil.copy(ONE_CONV / "_one_conv.py", decoders)


@pytest.mark.parametrize("moved", [as_a_folder, as_a_file_and_what_needs_torch])
def test_a_plugin_that_is_moved_into_the_folder_of_its_kind_is_built_in(
    moved: Callable[[Path], None], run: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "segkit" / "parts" / "decoders"
    moved(folder)
    assert "one_conv" in json.loads(run("list", "decoders", "--json"))["decoders"]
    assert json.loads(run("show", "decoder", "one_conv", "--json"))["where"].startswith(f"{folder}/one_conv")
    model = "{encoder: {name: mobilenetv2_100, weights: none}, decoder: {name: one_conv, width: 8}}"
    stages = json.loads(run("check", str(written(tmp_path, model=model)), "--json"))["stages"]
    assert [(stage["name"], stage["shape"][0]) for stage in stages][-2] == ("one_conv", 8)

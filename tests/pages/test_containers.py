"""docker/ and docs/containers.md: no engine is needed, so no image is built."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"


def test_arguments_of_the_page_are_arguments_of_the_files() -> None:
    page = (ROOT / "docs" / "containers.md").read_text(encoding="utf-8")
    for command, file, pattern in (
        ("docker", "Dockerfile", r"^ARG (\w+)="),
        ("apptainer", "segkit.def", r"^    ([A-Z_]+)="),
    ):
        declared = re.findall(pattern, (DOCKER / file).read_text(encoding="utf-8"), re.MULTILINE)
        named = re.findall(rf"^\$ {command} build .*--build-arg (\w+)=", page, re.MULTILINE)
        assert named
        assert {*named} <= {*declared}


@pytest.mark.slow
def test_the_wheel_is_built_from_what_the_dockerfile_copies(tmp_path: Path) -> None:
    ignored = (DOCKER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    for name in [line.removeprefix("!") for line in ignored if line.startswith("!")]:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--no-index", "--wheel-dir", "wheels", "."], cwd=tmp_path, check=True)
    (wheel,) = (tmp_path / "wheels").glob("*.whl")
    sources = {path.relative_to(tmp_path).as_posix() for path in (tmp_path / "segkit").rglob("*.*")}
    sources |= {f"segkit/recipes/{path.name}" for path in (ROOT / "recipes").iterdir()}
    with zipfile.ZipFile(wheel) as archive:
        assert sources <= {*archive.namelist()}

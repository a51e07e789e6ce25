"""The layers of docs/architecture.md, and the rooms that import nothing slow."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

import segkit

ROOT = Path(segkit.__file__).parents[1]
SLOW = {
    "albumentations",
    "cv2",
    "lightning_fabric",
    "segmentation_models_pytorch",
    "timm",
    "torch",
    "torchvision",
}
LIGHT = ("analysis", "api", "cli", "core", "inference", "parts", "recipe", "runs", "utils")
# These run or score a model in torch.
NETWORKS = ("inference/torch_network.py", "inference/evaluation/", "inference/export/")


def test_imports_keep_the_contracts_of_pyproject(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert lint_imports() == os.EX_OK


@pytest.mark.slow
def test_what_reads_recipes_and_runs_imports_nothing_slow():
    """What needs torch stands beside it in a file with a leading underscore, or is imported in a function."""
    files = [file.relative_to(ROOT / "segkit").as_posix() for file in (ROOT / "segkit").rglob("*.py")]
    light = [
        file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for file in files
        if file.removesuffix(".py").split("/")[0] in LIGHT
        and not file.startswith(NETWORKS)
        and (not Path(file).name.startswith("_") or file.endswith("__init__.py"))
    ]
    code = f"import importlib, sys\nfor name in {light}:\n    importlib.import_module('segkit.' + name)\n"
    code += f"print(*{SLOW} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr

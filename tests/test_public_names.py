from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import segkit


def test_public_names_are_these() -> None:
    """What plugins and programs are written against: a change here is a change for them."""
    assert sorted(segkit.__all__) == [
        "DECODERS",
        "ENCODERS",
        "LOSSES",
        "METRICS",
        "Metric",
        "OPTIMIZERS",
        "Prediction",
        "Predictor",
        "Pyramid",
        "Recipe",
        "SCHEDULES",
        "SOURCES",
        "Sample",
        "SegkitError",
        "TRANSFORMS",
        "Task",
        "__version__",
        "compare",
        "load",
        "load_recipe",
        "run",
    ]


@pytest.mark.parametrize("name", segkit.__all__)
def test_a_public_name_is_there(name: str) -> None:
    assert getattr(segkit, name) is not None
    assert name in dir(segkit)


def test_type_checkers_know_the_public_names() -> None:
    """They do not run `__getattr__`, and a decorator without a type makes a plugin untyped."""
    tree = ast.parse(Path(segkit.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    named = {
        (alias.asname, node.module)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert named == set(segkit._MODULES.items())


def test_a_wrong_name_is_told_as_python_does() -> None:
    with pytest.raises(AttributeError, match="module 'segkit' has no attribute 'Trainer'"):
        segkit.Trainer  # noqa: B018


def test_importing_segkit_costs_nothing() -> None:
    code = "import sys; before = set(sys.modules); import segkit; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "pydantic", "typer", "rich", "yaml", "numpy"} & set(eval(done.stdout))

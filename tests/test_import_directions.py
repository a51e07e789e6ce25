"""Imports point down only: the table of docs/architecture.md, read off the sources."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1] / "segkit"
LOW = {"contracts", "errors", "events"}
PART = {"contracts", "errors", "home", "registry"}
SLOW = {
    "torch",
    "torchvision",
    "timm",
    "albumentations",
    "segmentation_models_pytorch",
    "cv2",
    "lightning_fabric",
}

# Which rooms a room may import from; itself always. What is imported for type checking alone is free:
# it names what a function is handed, and costs nothing.
ALLOWED: dict[str, set[str]] = {
    "__init__": set(),
    "__main__": {"cli"},
    "errors": set(),
    "events": set(),
    "plain_files": {"errors"},
    "run_contents": {"plain_files"},
    "published": {"errors", "plain_files"},
    "home": set(),
    "atomic": set(),
    "locks": set(),
    "stopping": set(),
    "random_state": set(),
    "tensor_file": {"atomic", "errors"},
    "digests": {"atomic"},
    "palette": {"contracts"},
    "contracts": {"errors"},
    "signature": {"errors"},
    "registry": {"errors", "signature"},
    "plugins": {"errors", "registry"},
    "recipe": {"contracts", "errors", "home", "plugins", "registry", "signature", "data.splits"},
    "encoders": PART,
    "decoders": PART,
    "losses": PART,
    "metrics": PART,
    "data": {*PART, "atomic", "digests", "locks", "stopping"},
    "optim": PART,
    "system_errors": {"errors"},
    "run_dir": {*LOW, "atomic", "locks", "plain_files", "run_contents", "system_errors"},
    "report": {"atomic", "contours", "errors", "palette", "plain_files", "run_dir"},
    "thumbnails": {*LOW, "atomic"},
    "contours": {"palette"},
    "prediction": {"atomic", "contours", "contracts", "data", "errors", "palette"},
    "run_network": {
        "assemble",
        "dry_run",
        "evaluate",
        "fabric",
        "prediction",
        "recipe",
        "run_dir",
        "trained",
    },
    "exported": {"__version__", "contracts", "prediction"},
    "onnx_network": {"errors", "exported", "prediction"},
    "export": {
        *LOW,
        "assemble",
        "atomic",
        "checkpoint",
        "comparison",
        "data",
        "dry_run",
        "environment",
        "evaluate",
        "exported",
        "folding",
        "onnx_network",
        "plain_files",
        "plugins",
        "prediction",
        "recipe",
        "report",
        "run_contents",
        "run_dir",
        "run_network",
        "trained",
    },
    "scoring": {
        *LOW,
        "atomic",
        "comparison",
        "data",
        "dataset",
        "digests",
        "dry_scores",
        "evaluate",
        "home",
        "palette",
        "prediction",
        "recipe",
        "report",
        "run_dir",
        "run_network",
        "samples",
        "system_errors",
        "trained",
    },
    "api": {
        "errors",
        "events",
        "export",
        "onnx_network",
        "plugins",
        "prediction",
        "recipe",
        "run_dir",
        "run_network",
        "running",
    },
    "comparison": {
        "atomic",
        "errors",
        "palette",
        "plain_files",
        "report",
        "run_dir",
        "system_errors",
        "thumbnails",
    },
    "malloc": set(),
    "average": set(),
    "folding": set(),
    "feature_memory": set(),
    "model": {*LOW, "feature_memory", "folding"},
    "fabric": {*LOW, "malloc", "processes"},
    "processes": {*LOW, "child", "dataset", "recipe", "stopping"},
    "parallel": {"errors", "processes"},
    "torch_errors": {"errors", "system_errors"},
    "fit": {*LOW, "average", "fabric", "parallel", "random_state", "torch_errors"},
    "evaluate": {*LOW, "parallel", "torch_errors"},
    "checkpoint": {"errors", "tensor_file"},
    "journal": {"checkpoint", "errors", "events", "fit", "run_dir"},
    "environment": {"errors"},
    "build": {"errors", "recipe"},
    "dataset": {*LOW, "build", "data", "home", "plugins", "recipe"},
    "doctor": {*LOW, "atomic", "data", "dataset", "palette"},
    "identity": {"build", "digests", "environment", "home", "plugins", "recipe"},
    "child": {"errors", "system_errors"},
    "variants": {"errors", "recipe"},
    "plan": {
        "comparison",
        "dataset",
        "environment",
        "errors",
        "identity",
        "recipe",
        "run_dir",
        "variants",
        "plain_files",
        "run_contents",
    },
    "study": {
        *LOW,
        "check",
        "child",
        "comparison",
        "costs",
        "plan",
        "plugins",
        "recipe",
        "registry",
        "resume",
        "running",
        "run_dir",
        "stopping",
    },
    "samples": {*LOW, "evaluate", "palette", "run_dir", "thumbnails"},
    "summary": {*LOW, "published"},
    "dry_run": {*LOW, "build", "model", "recipe"},
    "dry_scores": {*LOW, "build", "dry_run", "recipe"},
    "assemble": {
        *LOW,
        "build",
        "data",
        "dataset",
        "dry_run",
        "dry_scores",
        "evaluate",
        "fabric",
        "losses",
        "model",
        "optim",
        "recipe",
    },
    "example": {"data", "errors"},
    "scaffold": {"errors", "plugins", "registry"},
    "testing": {*LOW, "data", "dry_run", "model", "optim", "plugins", "recipe", "registry", "tensor_file"},
    "check": {
        *LOW,
        "assemble",
        "build",
        "dataset",
        "dry_run",
        "dry_scores",
        "encoders",
        "fabric",
        "processes",
        "recipe",
        "registry",
    },
    "trained": {
        *LOW,
        "assemble",
        "checkpoint",
        "dataset",
        "environment",
        "evaluate",
        "fabric",
        "plugins",
        "recipe",
        "run_dir",
    },
    "costs": {
        *LOW,
        "assemble",
        "data",
        "dry_run",
        "environment",
        "fabric",
        "fit",
        "run_dir",
        "summary",
        "trained",
    },
    "bench": {*LOW, "assemble", "costs", "data", "dataset", "evaluate", "fabric", "fit", "summary"},
    "running": {
        *LOW,
        "assemble",
        "checkpoint",
        "dataset",
        "environment",
        "evaluate",
        "fabric",
        "fit",
        "journal",
        "model",
        "opening",
        "palette",
        "parallel",
        "plugins",
        "processes",
        "recipe",
        "report",
        "run_dir",
        "samples",
        "stopping",
        "summary",
        "system_errors",
        "thumbnails",
    },
    "trackers": {"errors", "events", "plain_files", "run_dir"},
    "opening": {"assemble", "environment", "events", "fabric", "identity", "model", "recipe", "run_dir"},
    "resume": {
        *LOW,
        "assemble",
        "atomic",
        "dataset",
        "environment",
        "journal",
        "model",
        "opening",
        "recipe",
        "report",
        "running",
        "run_dir",
        "stopping",
        "trained",
    },
}
ANYTHING = {"cli", "console"}
# A demo asks whether pretrained weights are here, which only the encoders know.
EXCEPTIONS = {("recipe.demo", "encoders.weights")}


class Import(NamedTuple):
    """One import of a module."""

    module: str
    line: int
    for_types: bool
    at_top: bool


def imports_of(path: Path) -> Iterator[Import]:
    """Every import of a file, wherever it stands."""

    def walk(node: ast.AST, for_types: bool, at_top: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, for_types, at_top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative imports hide their direction"
            module = str(node.module)
            inside = [f"{module}.{alias.name}" for alias in node.names]
            for name in inside if module == "segkit" or _is_package(module) else [module]:
                yield Import(name, node.lineno, for_types, at_top)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for child in node.body:
                yield from walk(child, True, at_top)
            for child in node.orelse:
                yield from walk(child, for_types, at_top)
        else:
            deeper = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            for child in ast.iter_child_nodes(node):
                yield from walk(child, for_types, at_top and not deeper)

    return walk(ast.parse(path.read_text(encoding="utf-8")), False, True)


def _is_package(module: str) -> bool:
    return module.startswith("segkit.") and (ROOT / Path(*module.split(".")[1:])).is_dir()


def name_of(path: Path) -> str:
    """As in the table: "recipe.load", "fit"."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


FILES = sorted(ROOT.rglob("*.py"))


def test_every_room_is_in_the_table() -> None:
    rooms = {name_of(path).split(".")[0] for path in FILES}
    assert rooms - ANYTHING - set(ALLOWED) == set()
    assert set(ALLOWED) - rooms == set()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_point_down(path: Path) -> None:
    name = name_of(path)
    room = name.split(".")[0]
    if room in ANYTHING:
        return
    allowed = ALLOWED[room] | {room}
    wrong = []
    for found in imports_of(path):
        whole, _, inside = found.module.partition(".")
        if whole != "segkit" or found.for_types or (name, inside) in EXCEPTIONS:
            continue
        if not any(inside == known or inside.startswith(f"{known}.") for known in allowed):
            wrong.append(f"{path}:{found.line} imports {found.module}")
    assert wrong == []


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_rich_is_known_to_the_console_alone(path: Path) -> None:
    if name_of(path).split(".")[0] == "console":
        return
    assert [found.line for found in imports_of(path) if found.module.split(".")[0] == "rich"] == []


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_nothing_prints_but_the_console(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert [node.lineno for node in called if isinstance(node, ast.Name) and node.id == "print"] == []


LIGHT = {
    "__init__",
    "api",
    "atomic",
    "build",
    "child",
    "cli",
    "comparison",
    "contracts",
    "dataset",
    "digests",
    "doctor",
    "environment",
    "errors",
    "events",
    "example",
    "exported",
    "home",
    "identity",
    "locks",
    "onnx_network",
    "plan",
    "plugins",
    "prediction",
    "processes",
    "recipe",
    "registry",
    "run_dir",
    "scaffold",
    "signature",
    "stopping",
    "study",
    "thumbnails",
    "trackers",
    "variants",
}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_what_reads_recipes_and_runs_imports_nothing_slow(path: Path) -> None:
    """At the top of a file; a part's own slow imports stand inside its function, or in a file with a `_`."""
    name = name_of(path)
    room, _, inside = name.partition(".")
    parts = room in {"encoders", "decoders", "losses", "metrics", "optim"} and not inside.startswith("_")
    if room not in LIGHT and not parts and name != "data.augment":
        return
    top = [found for found in imports_of(path) if found.at_top and not found.for_types]
    assert [f"{path}:{f.line} imports {f.module}" for f in top if f.module.split(".")[0] in SLOW] == []

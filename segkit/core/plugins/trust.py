"""Trust in the folder `plugins/` of the working directory, whose code is loaded without being named."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

# Files of runs and hub folders, which people send to each other, and text that only segkit writes there:
# one's own projects have files of these names too. Exported .onnx and .pt2 files are written into them.
_WRITTEN = {
    "environment.json": rb'"segkit": ',
    "metrics.jsonl": rb'"images_per_second": ',
    "recipe.yaml": rb"(?s)\nplugins:.*\n  num_nodes: .*\nreference:",
    "scores.csv": rb"^image,",
    "summary.json": rb'"reported_on": ',
    "costs.json": rb'"latency_ms": ',
    "thumbnails.zip": rb"000001/image\.webp",
    "report.html": rb"segkit report</title>",
    "report.md": rb"\n\| Metric \| Best epoch \|",
    "native_scores.json": rb'"per_image": ',
    "samples/samples.json": rb'"1_prediction\.png"',
    "samples/training.json": rb'"training_1_mask\.png"',
    "checkpoints/*.safetensors": rb'^.{8}{"__metadata__":{"segkit":',
    "checkpoints/*.state.pt": rb"/data\.pkl[^X]*X\x07\x00\x00\x00learner",
    "model.safetensors": rb'^.{8}{"__metadata__":{"segkit":',
    "config.json": rb'"library_name": "segkit"',
    "README.md": rb"\nlibrary_name: segkit\s",
}
_BEGINNING = 100_000  # bytes


def distrust(folder: Path, plugins: list[Path]) -> str:
    """Why plugins of a folder are not loaded without being named; empty if they are.

    They are loaded if they belong to this user (or root) and lie neither in nor below a run or a hub folder.
    Files of the home folder, of the root and of folders like /tmp say nothing about the folders below these.

    Args:
        folder: folder as the user sees it.
        plugins: resolved files or folders of the plugins in it.
    """
    paths = (folder, *plugins)
    if others := [path for path in paths if _belongs_to_others(path)]:
        return f"{others[0]} belongs to another user"
    found = (file for place in sorted({*_folders_above(paths)}) for file in _written_by_segkit(place))
    if file := next(found, None):
        return f"{file} looks like part of a run or of an exported model"
    return ""


def run_directory_of(path: Path) -> Path | None:
    """The run directory that a plugin lies in, or None."""
    marks = ("environment.json", "metrics.jsonl")
    return next((folder for folder in path.parents if all((folder / mark).is_file() for mark in marks)), None)


def _belongs_to_others(path: Path) -> bool:
    return sys.platform != "win32" and path.stat().st_uid not in (0, os.geteuid())


def _folders_above(paths: tuple[Path, ...]) -> Iterator[Path]:
    for path in paths:
        yield path.parent
        for folder in path.parent.parents:
            if _is_common(folder):
                break
            yield folder


def _is_common(folder: Path) -> bool:
    home = os.path.realpath(os.path.expanduser("~"))
    return folder in (folder.parent, Path(home)) or bool(folder.stat().st_mode & stat.S_ISVTX)


def _written_by_segkit(folder: Path) -> Iterator[Path]:
    for name, text in _WRITTEN.items():
        yield from (file for file in folder.glob(name) if re.search(text, _beginning(file)))


def _beginning(file: Path) -> bytes:
    try:
        if file.is_file():  # not a pipe
            with file.open("rb") as opened:
                return opened.read(_BEGINNING)
    except OSError:
        pass
    return b""

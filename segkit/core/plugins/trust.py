"""Trust in the folder `plugins/` of the working directory, whose code is loaded without being named."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

# What segkit writes into runs, exports and hub folders, which people send to each other.
_WRITTEN = (
    "environment.json", "metrics.jsonl", "scores.csv", "summary.json", "costs.json", "tracking.json",
    "thumbnails.zip", "report.html", "report.md", "curves.png", "scores.png",
    "samples/samples.json", "samples/[1-9]_*.png",
    "checkpoints/*.safetensors", "tensorboard/events.*",
    "config.json", "model.safetensors", "*.onnx", "*.pt2",
)  # fmt: skip
# Files with names that one's own projects have too, and text that only segkit writes.
_WRITTEN_TEXT = {"recipe.yaml": ("\nplugins:", "\nreference:"), "README.md": ("\nlibrary_name: segkit",)}
_TEXT_BYTES = 100_000


def distrust(folder: Path, plugins: list[Path]) -> str:
    """Why plugins of a folder are not loaded without being named; empty if they are.

    They are loaded if they belong to this user (or root) and lie neither in nor below a run, an export or a
    hub folder. Files of the home folder, of the root and of folders like /tmp say nothing about the folders
    below these.

    Args:
        folder: folder as the user sees it.
        plugins: resolved files or folders of the plugins in it.
    """
    for path in (folder, *plugins):
        if _belongs_to_others(path):
            return f"{path} belongs to another user"
    below = {above for path in (folder, *plugins) for above in _folders_above(path)}
    for place in sorted(below):
        if found := _written_by_segkit(place):
            return f"{found} looks like part of a run or of an exported model"
    return ""


def _belongs_to_others(path: Path) -> bool:
    return os.name == "posix" and path.stat().st_uid not in (0, os.geteuid())


def _folders_above(path: Path) -> Iterator[Path]:
    yield path.parent
    for folder in path.parent.parents:
        if _is_common(folder):
            return
        yield folder


def _is_common(folder: Path) -> bool:
    if folder == folder.parent or folder == Path(os.path.realpath(os.path.expanduser("~"))):
        return True
    return bool(folder.stat().st_mode & stat.S_ISVTX)


def _written_by_segkit(folder: Path) -> Path | None:
    for pattern in _WRITTEN:
        if found := next(folder.glob(pattern), None):
            return found
    for name, texts in _WRITTEN_TEXT.items():
        file = folder / name
        if file.is_file() and all(text in _beginning(file) for text in texts):
            return file
    return None


def _beginning(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            return opened.read(_TEXT_BYTES)
    except OSError:
        return ""

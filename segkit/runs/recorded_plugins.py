"""Plugins that runs and hub folders record."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel

from segkit.core.errors import SegkitError
from segkit.core.plugins import Plugin
from segkit.runs.cv_dir import CvDir
from segkit.utils.safe_read import read_json

_FILES = ("environment.json", "config.json")  # of a run, of a hub folder
_DEPTHS = ("", "*/", "*/*/")  # a run, a folder of runs, a folder of such folders


class _Record(BaseModel):
    plugins: list[Plugin] = []


def recorded_plugins(models: Iterable[Path]) -> set[str]:
    """Digests of the plugins of runs, folders of these, and hub folders; exported files record none."""
    digests: set[str] = set()
    for folder in (folder for model in models for folder in _with_folds(model)):
        for file in (file for depth in _DEPTHS for name in _FILES for file in folder.glob(depth + name)):
            try:
                digests.update(plugin.digest for plugin in read_json(file, _Record).plugins)
            except SegkitError:
                continue  # the command itself reports a damaged file
    return digests


def _with_folds(model: Path) -> list[Path]:
    if not CvDir.is_at(model):
        return [model]
    cv = CvDir(model)
    try:
        return [model, *cv.run_paths(cv.read())]
    except SegkitError:
        return [model]

"""A recipe for others: it says what was done, and names no folder of the machine that did it."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from segkit.recipe import Recipe, plain_recipe
from segkit.recipe.yaml_tree import write_yaml


def public_recipe(recipe: Recipe) -> str:
    """A complete recipe as YAML; of absolute paths the last name is left, and plugins are not named by path.

    Args:
        recipe: as loaded.
    """
    return write_yaml(_without_folders({**plain_recipe(recipe), "plugins": []}))


def last_name(text: str) -> str:
    """``/home/me/data/isic2016`` -> ``isic2016``; what is no absolute path stays as it is."""
    for kind in (PurePosixPath, PureWindowsPath):
        if "\n" not in text and kind(text).is_absolute():
            return kind(text).name
    return text


def _without_folders(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_folders(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_folders(item) for item in value]
    return last_name(value) if isinstance(value, str) else value

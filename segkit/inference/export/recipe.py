"""Recipes without the folders of the training machine."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from segkit.recipe import Recipe, plain_recipe
from segkit.recipe.yaml_tree import write_yaml


def public_recipe(recipe: Recipe) -> str:
    """The complete recipe as YAML; absolute paths are reduced to their last name, plugins removed."""
    return write_yaml(_without_folders({**plain_recipe(recipe), "plugins": []}))


def last_name(text: str) -> str:
    """``/home/me/data/isic2016`` -> ``isic2016``; text that is not an absolute path is unchanged."""
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

"""A small recipe to change, and what loading it gives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from segkit.core.errors import Problem, RecipeError
from segkit.recipe import Recipe, load_recipe

LINES = {
    "name": "small",
    "data": "{source: synthetic_lesions, size: [64, 64]}",
    "model": "{encoder: {name: mobilenetv2_100, weights: none}, decoder: transposed_conv}",
    "loss": "dice",
    "optimizer": "adamw",
    "metrics": "[iou]",
}
RECIPES = Path(__file__).parents[2] / "recipes"


def written(folder: Path, more: str = "", **changed: str | None) -> Path:
    """A recipe file: the small recipe with some keys changed (None leaves one out) and text at its end."""
    lines = {**LINES, **changed}
    text = "".join(f"{key}: {value}\n" for key, value in lines.items() if value is not None)
    path = folder / "recipe.yaml"
    path.write_text(text + more, encoding="utf-8")
    return path


def loaded(folder: Path, overrides: Sequence[str] = (), **changed: Any) -> Recipe:
    return load_recipe(written(folder, **changed), overrides)


def problems(path: Path, overrides: Sequence[str] = (), **options: Any) -> tuple[Problem, ...]:
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, overrides, **options)
    return caught.value.problems


def only_problem(path: Path, overrides: Sequence[str] = (), **options: Any) -> Problem:
    (problem,) = problems(path, overrides, **options)
    return problem

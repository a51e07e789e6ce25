"""Recipes without the folders of the training machine."""

from __future__ import annotations

from segkit.recipe import Recipe, plain_recipe
from segkit.recipe.yaml_tree import write_yaml
from segkit.utils.public_text import public_data


def public_recipe(recipe: Recipe) -> str:
    """The complete recipe as YAML; absolute paths are reduced to their last name, plugins removed."""
    return write_yaml(public_data({**plain_recipe(recipe), "plugins": []}))

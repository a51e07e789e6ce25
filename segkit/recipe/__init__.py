"""Recipes: a YAML file becomes a complete, checked `Recipe`. No torch."""

from segkit.recipe.load import (
    dump_recipe,
    entry_for,
    load_dumped,
    load_recipe,
    plain_recipe,
    used_plugins,
)
from segkit.recipe.schema import Recipe

__all__ = ["Recipe", "dump_recipe", "entry_for", "load_dumped", "load_recipe", "plain_recipe", "used_plugins"]

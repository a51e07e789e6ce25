"""New plugins (a part that trains, a recipe, a test and a README), and copies of recipes. No torch."""

from segkit.cli.scaffold.new_plugin import KINDS, new_plugin
from segkit.cli.scaffold.new_recipe import new_recipe

__all__ = ["KINDS", "new_plugin", "new_recipe"]

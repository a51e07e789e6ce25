"""Templates of new plugins: a part that trains, a recipe, a test and a README. No torch."""

from segkit.cli.scaffold.new_plugin import KINDS, new_plugin

__all__ = ["KINDS", "new_plugin"]

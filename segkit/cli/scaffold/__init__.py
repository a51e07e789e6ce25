"""New plugins: a part that trains as it is, with a recipe, a test and a README, to be edited into one's own.

The templates are beside this file, one folder for each of the kinds that have one. No torch.
"""

from segkit.cli.scaffold.new_plugin import KINDS, new_plugin

__all__ = ["KINDS", "new_plugin"]

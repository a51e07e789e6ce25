"""`comparison.html`: one self-contained file that loads nothing from the network."""

from segkit.analysis.comparison.page.write import write_page

__all__ = ["write_page"]

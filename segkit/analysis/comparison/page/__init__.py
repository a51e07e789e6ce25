"""A comparison -> `comparison.html`: one file that needs nothing else, and asks nobody for anything."""

from segkit.analysis.comparison.page.write import write_page

__all__ = ["write_page"]

"""Example data set: synthetic photographs, masks and a recipe. No torch."""

from segkit.data.example.folder import write_example

__all__ = ["write_example"]

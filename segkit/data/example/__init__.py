"""An example to follow: a folder of photographs, their outlines, and a recipe. No torch."""

from segkit.data.example.folder import write_example

__all__ = ["write_example"]

"""The verbs: parse, call, print. What is slow to import is imported by the verb that needs it."""

from segkit.cli import compare, data, evaluate, export, parts, predict, train  # noqa: F401  (each adds its verbs)
from segkit.cli.app import app, main

__all__ = ["app", "main"]

"""The command line. Each command imports slow modules (torch) itself, so that the others start fast."""

from segkit.cli import compare, data, evaluate, export, parts, predict, train  # noqa: F401  (registers commands)
from segkit.cli.app import app, main

__all__ = ["app", "main"]

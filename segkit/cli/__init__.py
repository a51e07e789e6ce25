"""The command line. Each command imports slow modules (torch) itself, so that the others start fast."""

from segkit.cli import (  # noqa: F401  (registers commands)
    compare,
    cv,
    data,
    doctor,
    evaluate,
    export,
    parts,
    plan,
    predict,
    train,
    tune,
)
from segkit.cli.app import app, main

__all__ = ["app", "main"]

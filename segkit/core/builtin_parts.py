"""Import of segkit's own parts."""

from __future__ import annotations

import importlib
from pkgutil import iter_modules


def import_builtins(package: str) -> None:
    """Import the public modules of a package, which registers its parts. Imports no torch."""
    for _, name, _ in iter_modules(importlib.import_module(package).__path__):
        if not name.startswith("_"):
            importlib.import_module(f"{package}.{name}")

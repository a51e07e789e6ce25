"""segkit: segmentation models from recipes. Public names are loaded when they are first used."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "DECODERS": "segkit.registry",
    "ENCODERS": "segkit.registry",
    "LOSSES": "segkit.registry",
    "METRICS": "segkit.registry",
    "OPTIMIZERS": "segkit.registry",
    "SCHEDULES": "segkit.registry",
    "SOURCES": "segkit.registry",
    "TRANSFORMS": "segkit.registry",
    "Metric": "segkit.contracts",
    "Pyramid": "segkit.contracts",
    "Sample": "segkit.contracts",
    "Task": "segkit.contracts",
    "Recipe": "segkit.recipe",
    "load_recipe": "segkit.recipe",
    "SegkitError": "segkit.errors",
}
__all__ = [*sorted(_HOMES), "__version__"]


def __getattr__(name: str) -> Any:
    """Import a public name's home when it is first asked for, so that importing segkit costs nothing."""
    if home := _HOMES.get(name):
        return getattr(importlib.import_module(home), name)
    raise AttributeError(f"module 'segkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])

"""The pieces of docs/reliability that tests need as well."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

SCRIPTS = Path(__file__).parents[1] / "docs" / "reliability"


def piece(name: str) -> ModuleType:
    """One of its modules, which are beside each other and in no package."""
    sys.path.insert(0, str(SCRIPTS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(SCRIPTS))
        sys.modules.pop(name, None)

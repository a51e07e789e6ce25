"""What a test registers or loads is gone after it."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # tests run beside each other: none of them takes all cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# The user's own cache is no place for tests; workers of pytest-xdist find the folder of their parent here.
if "SEGKIT_CACHE" not in os.environ or "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["SEGKIT_CACHE"] = tempfile.mkdtemp(prefix="segkit-cache-")
    atexit.register(shutil.rmtree, os.environ["SEGKIT_CACHE"], ignore_errors=True)

from segkit.plugins import installed, load, load_builtins
from segkit.registry import REGISTRIES


@pytest.fixture(autouse=True)
def plugins_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    load_builtins()
    registries = {kind: dict(registry._entries) for kind, registry in REGISTRIES.items()}
    monkeypatch.setattr(load, "_loaded", dict(load._loaded))
    monkeypatch.setattr(installed, "_broken", installed._broken)
    yield
    for kind, registry in REGISTRIES.items():
        registry._entries.clear()
        registry._entries.update(registries[kind])

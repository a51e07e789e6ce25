"""What a test registers or loads is gone after it."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # tests run beside each other: none of them takes all cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# The user's own cache is no place for tests; workers of pytest-xdist find the folder of their parent here.
if "SEGKIT_CACHE" not in os.environ or "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["SEGKIT_CACHE"] = tempfile.mkdtemp(prefix="segkit-cache-")
    atexit.register(shutil.rmtree, os.environ["SEGKIT_CACHE"], ignore_errors=True)

from tests.commands import as_before

FIRST = ("test_tutorials.py", "test_windows.py", "test_guide.py", "test_study.py", "test_readme.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests come first: one that comes last keeps one worker busy, and all others wait."""
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if sys.platform == "win32" and (mark := item.get_closest_marker("posix")):
        pytest.skip(f"not on Windows: {mark.args[0]}")


@pytest.fixture(autouse=True)
def plugins_as_before() -> Iterator[None]:
    with as_before():
        yield

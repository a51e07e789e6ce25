"""Hears of every change of a folder, before it happens."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Python tells its hooks of these before they happen; between two of them, no name in a folder changes.
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir"}
WRITING = os.O_WRONLY | os.O_RDWR


@contextlib.contextmanager
def heard_before(folder: Path, hear: Callable[[str, str], None]) -> Iterator[None]:
    """Call a function before every change in a folder, as long as the body runs.

    Args:
        folder: with all that is in it.
        hear: called with what Python calls the event ("open" is one that is to be written to), and the file;
            what it raises is raised in the place of the change.
    """
    within = f"{folder}{os.sep}"
    listening = True

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal listening
        if not listening or not (event in CHANGES or (event == "open" and _writes(arguments[2]))):
            return
        place = arguments[0]
        if isinstance(place, str | os.PathLike) and (name := os.fspath(place)).startswith(within):
            listening = False  # what it does itself does not count
            try:
                hear(event, name)
            finally:
                listening = True

    sys.addaudithook(hook)  # for ever: nobody can take one away
    try:
        yield
    finally:
        listening = False


def _writes(flags: Any) -> bool:
    return isinstance(flags, int) and bool(flags & WRITING)

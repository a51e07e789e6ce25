"""Atomic file writes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

_LEFTOVER = re.compile(r"\..+\.\d+")
_MAX_NAME = 100  # bytes; file systems allow 143 to 255


@contextlib.contextmanager
def atomic_write(file: Path, *, durable: bool = False) -> Iterator[Path]:
    """Write to a temporary file that replaces `file` at the end; readers see the old file or the new one.

    Args:
        file: path to write; its folder exists.
        durable: fsync before replacing, so that a power failure does not leave an empty file.

    Yields:
        The path of the temporary file.

    Raises:
        OSError: if it cannot be written; `file` is unchanged.
    """
    temporary = file.with_name(f".{_short(file.name)}.{os.getpid()}")
    try:
        temporary.unlink(missing_ok=True)  # a symlink there must not be followed
        yield temporary
        if durable:
            _fsync(temporary)
        temporary.replace(file)
        if durable:
            _fsync(file.parent)  # the directory entry
    except OSError as error:
        # The user knows `file`, not the temporary file; a full disk names none.
        if error.errno and error.filename in (None, str(temporary)):
            error.filename = str(file)
        raise
    finally:
        with contextlib.suppress(OSError):  # a write error is already on its way
            temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of killed processes from a folder that no other process writes to."""
    for file in folder.rglob(".*"):
        if _LEFTOVER.fullmatch(file.name) and file.is_file():
            file.unlink(missing_ok=True)


def _short(name: str) -> str:
    """The name, or its digest if a longer name might not be possible."""
    content = os.fsencode(name)
    return name if len(content) <= _MAX_NAME else hashlib.sha256(content).hexdigest()


def _fsync(path: Path) -> None:
    if path.is_dir() and os.name == "nt":  # Windows cannot open folders
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

_LEFT_BEHIND = re.compile(r"\..+\.\d+")


@contextlib.contextmanager
def replaced(file: Path, *, durable: bool = False) -> Iterator[Path]:
    """A file to write beside another, whose place it takes in the end: readers see the one or the other.

    Args:
        file: whose folder is there.
        durable: bring it to the disk first, so that not even a power failure leaves it empty.

    Raises:
        OSError: if it cannot be written; the other is as it was.
    """
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        temporary.unlink(missing_ok=True)  # should it be a link, what it leads to is not written to
        yield temporary
        if durable:
            _to_disk(temporary)
        temporary.replace(file)
        if durable:
            _to_disk(file.parent)  # its name, too
    except OSError as error:
        # A full disk names no file, and nobody knows the temporary one.
        if error.errno and error.filename in (None, str(temporary)):
            error.filename = str(file)
        raise
    finally:
        with contextlib.suppress(OSError):  # a disk that can no longer be written to has said so above
            temporary.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove what processes that were killed had begun to write, in a folder that no other writes to now."""
    for file in folder.rglob(".*"):
        if _LEFT_BEHIND.fullmatch(file.name) and file.is_file():
            file.unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    if path.is_dir() and os.name == "nt":  # Windows opens no folders
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

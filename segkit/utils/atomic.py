"""Atomic file writes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_LEFTOVER = re.compile(r"\..+\.\d+")
_MAX_NAME = 100  # bytes; file systems allow 143 to 255
_PATIENCE_SECONDS = 1.0


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
        replace(temporary, file)
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


def write_text(file: Path, text: str) -> None:
    """Write UTF-8 text atomically; line ends are written as they are, on every system.

    Raises:
        OSError: if it cannot be written; `file` is unchanged.
    """
    with atomic_write(file) as temporary:
        temporary.write_bytes(text.encode())


def replace(source: Path, target: Path) -> None:
    """Rename a file, replacing `target`.

    Windows refuses while another program has one of them open, as virus scanners do for a moment; then it is
    tried again for a second.

    Raises:
        OSError: if it cannot be renamed; both files are unchanged.
    """
    until = time.monotonic() + (_PATIENCE_SECONDS if sys.platform == "win32" else 0)
    while True:
        try:
            source.replace(target)
        except PermissionError:
            if time.monotonic() >= until:
                raise
            time.sleep(0.05)
        else:
            return


@contextlib.contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Write to a temporary folder whose files are moved into `folder`, new or not, if the body succeeds.

    Raises:
        OSError: if a file cannot be written; `folder` is unchanged.
    """
    place = folder if folder.is_dir() else folder.parent  # the folder may be a disk of its own
    place.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=".new.", dir=place))
    try:
        yield new
        for file in sorted(path for path in new.rglob("*") if not path.is_dir()):
            target = folder / file.relative_to(new)
            target.parent.mkdir(parents=True, exist_ok=True)
            replace(file, target)
    except OSError as error:
        if error.filename and Path(error.filename).is_relative_to(new):
            error.filename = str(folder / Path(error.filename).relative_to(new))
        raise
    finally:
        shutil.rmtree(new, ignore_errors=True)


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
    if path.is_dir() and sys.platform == "win32":  # Windows cannot open folders
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)  # Windows: not if only read
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

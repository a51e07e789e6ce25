"""File locks that are released when their process dies, by filelock."""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP)  # of some network file systems


class LockedError(Exception):
    """Another process holds the lock.

    Args:
        holder: description of that process; empty if unknown.
    """

    def __init__(self, holder: str) -> None:
        self.holder = holder
        super().__init__(holder)


@contextmanager
def locked(file: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock while the body runs.

    Args:
        file: lock file; created with its folder if missing.
        wait: whether to wait until the lock is free.

    Yields:
        True if the lock is held, False if another process holds it and `wait` is false.

    Raises:
        OSError: if the file cannot be created, or, on a file system without locks, another process holds it.
    """
    while True:
        try:
            lock = _acquired(file, wait=wait)
            break
        except LockedError as error:
            if wait:  # on a file system without locks, where a holder on another machine may be long dead
                raise OSError(errno.EAGAIN, f"locked by {error.holder or 'another process'}") from error
            yield False
            return
        except FileNotFoundError:  # its holder has deleted the folder; acquire creates it again
            pass
    try:
        yield True
    finally:
        lock.release()


@contextmanager
def exclusive(file: Path) -> Iterator[None]:
    """Hold a lock while the body runs; the lock file names its holder.

    Args:
        file: lock file; it exists while the body runs, and after a kill.

    Raises:
        LockedError: if another process holds the lock.
        OSError: if the file cannot be created.
    """
    file.parent.stat()  # FileLock would create it again after its deletion
    lock = _acquired(file, wait=False)
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink()
        lock.release()


def _acquired(file: Path, *, wait: bool) -> BaseFileLock:
    lock: BaseFileLock = FileLock(file, blocking=wait, on_acquired=_write_holder)
    try:
        try:
            lock.acquire()
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            lock = SoftFileLock(file, blocking=False)  # names its holder in the file, on any file system
            lock.acquire()
    except Timeout as error:
        raise LockedError(_holder(file)) from error
    return lock


def _write_holder(descriptor: int) -> None:
    since = datetime.now().astimezone().isoformat(" ", "seconds")
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": since, "command": sys.argv}
    with suppress(OSError):  # on a full disk the holder stays unnamed, the lock works
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, f" {json.dumps(holder)}".encode())  # Windows locks the first byte


def _holder(file: Path) -> str:
    try:
        with file.open("rb", buffering=0) as opened:
            opened.seek(1)
            holder = json.loads(opened.read())
        return f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
    except (OSError, ValueError, TypeError, KeyError):  # not yet written
        return ""

"""File locks that are released when their process dies."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_PAUSE_SECONDS = 0.1
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)  # the lock file is written to: never through a symlink


@contextmanager
def locked(file: Path, *, wait: bool = True) -> Iterator[bool | None]:
    """Hold a lock while the body runs.

    Args:
        file: lock file; created with its folder if missing.
        wait: whether to wait until the lock is free.

    Yields:
        True if the lock is held, False if another process holds it and `wait` is false, None if the system or
        the file system has no locks.

    Raises:
        OSError: if the file cannot be created.
    """
    held, descriptor = _lock(file, wait)
    try:
        yield held
    finally:
        if held and fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing is not enough while a forked process has it open
        os.close(descriptor)


class LockedError(Exception):
    """Another process holds the lock.

    Args:
        holder: description of that process; empty if unknown.
    """

    def __init__(self, holder: str) -> None:
        self.holder = holder
        super().__init__(holder)


@contextmanager
def exclusive(file: Path) -> Iterator[None]:
    """Hold an exclusive lock while the body runs; the lock file names its holder.

    Unlike `locked`, the lock belongs to this process alone and is lost when it is killed, even while workers
    that it forked are still alive. Without locks, the process that the file names is the holder.

    Args:
        file: lock file; it exists while the body runs, and after a kill.

    Raises:
        Taken: if another process holds the lock.
        OSError: if the file cannot be created.
    """
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | _NO_LINK, 0o666)
        try:
            held = _try(descriptor, fcntl.lockf if fcntl else None)
            holder = _holder(descriptor)
            if held is False or (held is None and _is_alive(holder)):
                raise LockedError(_describe(holder))
            if _same_file(file, descriptor):  # the former holder may have deleted the file just now
                with contextlib.suppress(OSError):  # on a full disk the holder stays unnamed, the lock works
                    os.ftruncate(descriptor, 0)
                    os.pwrite(descriptor, json.dumps(_this_process()).encode(), 0)
                try:
                    yield
                finally:
                    with contextlib.suppress(OSError):
                        file.unlink()
                return
        finally:
            os.close(descriptor)


def _this_process() -> dict[str, Any]:
    since = datetime.now().astimezone().isoformat(" ", "seconds")
    return {"pid": os.getpid(), "host": socket.gethostname(), "since": since, "command": sys.argv}


def _holder(descriptor: int) -> dict[str, Any]:
    try:
        holder = json.loads(os.pread(descriptor, 1 << 16, 0))
    except ValueError:  # killed before it wrote its name
        return {}
    return holder if isinstance(holder, dict) else {}


def _is_alive(holder: dict[str, Any]) -> bool:
    """Whether the process is alive, or may be alive on another machine."""
    if holder.get("host") != socket.gethostname():
        return bool(holder)
    if holder.get("pid") == os.getpid():
        return False
    try:
        os.kill(int(holder["pid"]), 0)
    except (OSError, ValueError, TypeError, KeyError):
        return False
    return True


def _describe(holder: dict[str, Any]) -> str:
    if not holder:
        return ""
    return f"process {holder.get('pid')} on {holder.get('host')}, since {holder.get('since')}"


def _lock(file: Path, wait: bool) -> tuple[bool | None, int]:
    """True, False or None as `locked` yields it, and the file descriptor."""
    while True:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            held = _try(descriptor, fcntl.flock if fcntl else None)
            if held is None or (held and _same_file(file, descriptor)) or not (held or wait):
                return held, descriptor
            if not held:  # a blocking flock cannot be interrupted by Ctrl-C everywhere
                time.sleep(_PAUSE_SECONDS)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _try(descriptor: int, lock: Callable[[int, int], None] | None) -> bool | None:
    if lock is None:
        return None
    try:
        lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # some network file systems
        return None
    return True


def _same_file(file: Path, descriptor: int) -> bool:
    # Clearing the cache deletes lock files with their folder.
    try:
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False

"""One process at a time, by locks that the system takes from a process that dies."""

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
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)  # it is written to: not to another file that it links to


@contextmanager
def locked(file: Path, *, wait: bool = True) -> Iterator[bool | None]:
    """Hold a lock while the body runs.

    Args:
        file: what to lock; made with its folder where it is missing.
        wait: until whoever holds it lets go, or is dead.

    Yields:
        Whether it is held: not if another holds it and `wait` is false. None where the system or the file
        system has no locks.

    Raises:
        OSError: if the file cannot be made.
    """
    held, descriptor = _lock(file, wait)
    try:
        yield held
    finally:
        if held and fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing lets go only if no forked process has it open
        os.close(descriptor)


class Taken(Exception):
    """Another process works there.

    Args:
        holder: which one, in words; nothing if it has not said.
    """

    def __init__(self, holder: str) -> None:
        self.holder = holder
        super().__init__(holder)


@contextmanager
def owned(file: Path) -> Iterator[None]:
    """Be the one process that works on something while the body runs; others are told who does.

    Unlike `locked`, the lock is the process's alone: one that is killed loses it at once, even where workers
    that it has forked live on for a while. Where there are no locks, the process that the file names counts.

    Args:
        file: says who it is; it is there while the body runs, and after a kill.

    Raises:
        Taken: if another process does.
        OSError: if the file cannot be made.
    """
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | _NO_LINK, 0o666)
        try:
            held = _try(descriptor, fcntl.lockf if fcntl else None)
            holder = _holder(descriptor)
            if held is False or (held is None and _lives(holder)):
                raise Taken(_in_words(holder))
            if _is_there(file, descriptor):  # whoever held it takes the file away in the end
                with contextlib.suppress(OSError):  # a full disk: nobody is told, but all are kept out
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
    except ValueError:  # it was killed before it could say
        return {}
    return holder if isinstance(holder, dict) else {}


def _lives(holder: dict[str, Any]) -> bool:
    """Whether the process is, or may be, at work."""
    if holder.get("host") != socket.gethostname():
        return bool(holder)
    if holder.get("pid") == os.getpid():
        return False
    try:
        os.kill(int(holder["pid"]), 0)
    except (OSError, ValueError, TypeError, KeyError):
        return False
    return True


def _in_words(holder: dict[str, Any]) -> str:
    if not holder:
        return ""
    return f"process {holder.get('pid')} on {holder.get('host')}, since {holder.get('since')}"


def _lock(file: Path, wait: bool) -> tuple[bool | None, int]:
    """Whether it is held, and the open file."""
    while True:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            held = _try(descriptor, fcntl.flock if fcntl else None)
            if held is None or (held and _is_there(file, descriptor)) or not (held or wait):
                return held, descriptor
            if not held:  # waiting in the system's call would not hear Ctrl-C everywhere
                time.sleep(_PAUSE_SECONDS)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _try(descriptor: int, lock: Callable[[int, int], None] | None) -> bool | None:
    """Whether the lock is held now; None where there are no locks."""
    if lock is None:
        return None
    try:
        lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # some network file systems
        return None
    return True


def _is_there(file: Path, descriptor: int) -> bool:
    """Whether it is still the file of that name: who clears the cache takes the file away with its folder."""
    try:
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False

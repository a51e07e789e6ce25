"""One builder at a time, by a lock that the system takes from a process that dies."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_PAUSE_SECONDS = 0.1


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


def _lock(file: Path, wait: bool) -> tuple[bool | None, int]:
    """Whether it is held, and the open file."""
    while True:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            held = _try(descriptor)
            if held is None or (held and _is_there(file, descriptor)) or not (held or wait):
                return held, descriptor
            if not held:  # waiting in the system's call would not hear Ctrl-C everywhere
                time.sleep(_PAUSE_SECONDS)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _try(descriptor: int) -> bool | None:
    """Whether the lock is held now; None where there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
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

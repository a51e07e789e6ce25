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
def locked(file: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock while the body runs.

    Args:
        file: what to lock; made with its folder where it is missing.
        wait: until whoever holds it lets go, or is dead.

    Yields:
        Whether it is held: not where the system or the file system has no locks, nor where another holds it
        and `wait` is false.

    Raises:
        OSError: if the file cannot be made.
    """
    descriptor = _open(file, wait)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None and fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing lets go only if no forked process has it open
            os.close(descriptor)


def _open(file: Path, wait: bool) -> int | None:
    while True:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            held = _try(descriptor)
            if held and _is_there(file, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if held is None or not wait:
            return None
        if not held:
            time.sleep(
                _PAUSE_SECONDS
            )  # rather than in the system's call, which Ctrl-C would not end everywhere


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

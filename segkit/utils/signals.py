"""Being asked to stop: by Ctrl-C, by `kill`, by a terminal that closes, by a cluster's scheduler."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# SIGHUP comes when a terminal closes; SIGTERM and SIGUSR1 are what SLURM sends before it takes the machine.
_ASKING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")


class Stop:
    """Whether somebody has asked for it.

    Outside of `in_good_time` the first signal is a `KeyboardInterrupt` at once. Inside, it is noted, for
    whoever looks at `asked` where everything is at rest; when the same signal comes again, it is one at once.

    Args:
        tell: called when a signal is noted.
    """

    def __init__(self, tell: Callable[[], None] = lambda: None) -> None:
        self.asked = False
        self._tell = tell
        self._later = False
        self._seen: set[int] = set()

    @contextmanager
    def in_good_time(self) -> Iterator[None]:
        """The body looks at `asked` often enough."""
        self._later = True
        try:
            yield
        finally:
            self._later = False

    def hear(self, number: int, frame: FrameType | None = None) -> None:
        """Be told of a signal.

        Different signals ask for the same thing: a launcher sends SIGTERM when Ctrl-C has reached all.

        Raises:
            KeyboardInterrupt: if it is not to be noted.
        """
        again = number in self._seen
        self._seen.add(number)
        if not self._later or again:
            raise KeyboardInterrupt
        if not self.asked:
            self.asked = True
            self._tell()


@contextmanager
def heard(tell: Callable[[], None] = lambda: None) -> Iterator[Stop]:
    """Hear every signal that asks for it while the body runs; one that is ignored by now (`nohup`) stays so.

    Args:
        tell: called when a signal is noted.
    """
    stop = Stop(tell)
    if threading.current_thread() is not threading.main_thread():  # nobody else may
        yield stop
        return
    former: dict[int, Any] = {}
    for number in _asking():
        if signal.getsignal(number) is not signal.SIG_IGN:
            former[number] = signal.signal(number, stop.hear)
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def held_back() -> Iterator[None]:
    """Hold signals back while workers start: one that is hit before it ignores them would die half-made."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    former = signal.pthread_sigmask(signal.SIG_BLOCK, _asking())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def leave_to_the_parent() -> None:
    """Ignore what asks to stop, as the parent decides what it means; end when the parent says so.

    A cluster's scheduler sends SIGTERM to every process, and multiprocessing sends it to workers in the end:
    it counts if it comes from the parent.
    """
    for number in _asking():
        signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    elif hasattr(signal, "pthread_sigmask"):  # macOS does not tell who has sent it
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def _end_with(parent: int) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)


def _asking() -> list[int]:
    """Those that this system has."""
    return [getattr(signal, name) for name in _ASKING if hasattr(signal, name)]

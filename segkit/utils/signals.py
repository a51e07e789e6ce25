"""Signals that ask a run to stop: Ctrl-C, `kill`, a closed terminal, a cluster's scheduler."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# SIGHUP comes when a terminal closes; SIGTERM and SIGUSR1 are what SLURM sends before it takes the machine.
# Windows has SIGBREAK, of Ctrl-Break and of a window that closes.
_STOP_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGBREAK")


class StopSignal:
    """Whether a stop was requested by a signal.

    Outside of `deferred` a signal raises `KeyboardInterrupt`. Inside, the first one only sets `requested`,
    which the body checks where its state is consistent; the same signal again raises `KeyboardInterrupt`.

    Args:
        on_request: called when `requested` is set.
    """

    def __init__(self, on_request: Callable[[], None] = lambda: None) -> None:
        self.requested = False
        self._on_request = on_request
        self._deferring = False
        self._seen: set[int] = set()

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Defer signals: set `requested` instead of raising."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False

    def handle(self, number: int, frame: FrameType | None = None) -> None:
        """Handle a signal.

        Raises:
            KeyboardInterrupt: outside of `deferred`, or if the same signal comes again.
        """
        # Another signal is not a second request: a launcher sends SIGTERM after Ctrl-C.
        again = number in self._seen
        self._seen.add(number)
        if not self._deferring or again:
            raise KeyboardInterrupt
        if not self.requested:
            self.requested = True
            self._on_request()


@contextmanager
def handle_signals(on_request: Callable[[], None] = lambda: None) -> Iterator[StopSignal]:
    """Handle stop signals while the body runs; a signal that is ignored already (`nohup`) stays ignored.

    Args:
        on_request: called when a stop is requested.
    """
    stop = StopSignal(on_request)
    if threading.current_thread() is not threading.main_thread():  # only it may set handlers
        yield stop
        return
    former: dict[int, Any] = {}
    for number in _stop_signals():
        if signal.getsignal(number) is not signal.SIG_IGN:
            former[number] = signal.signal(number, stop.handle)
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def held_back() -> Iterator[None]:
    """Block signals while workers start: one that is hit before it ignores them would die half-started."""
    if sys.platform == "win32":
        yield
        return
    former = signal.pthread_sigmask(signal.SIG_BLOCK, _stop_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def leave_to_the_parent() -> None:
    """In a worker: ignore stop signals, except SIGTERM from the parent.

    A cluster's scheduler sends SIGTERM to every process; multiprocessing sends it to end its workers.
    """
    for number in _stop_signals():
        signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.SIG_IGN)
    if sys.platform == "darwin":  # it does not tell the sender
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    elif sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_exit_on_sigterm_of, args=(os.getppid(),), daemon=True).start()


def _exit_on_sigterm_of(parent: int) -> None:
    while sys.platform not in ("darwin", "win32") and signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)


def _stop_signals() -> list[int]:
    return [getattr(signal, name) for name in _STOP_SIGNALS if hasattr(signal, name)]

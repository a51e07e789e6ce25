"""Function calls in fresh Python processes."""

from __future__ import annotations

import importlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterable
from contextlib import suppress
from typing import Any, BinaryIO

from segkit.core.errors import SegkitError, TrainingError
from segkit.utils.os_errors import in_words, is_broken_pipe

_START = "from segkit.utils.subprocesses import main; main()"
_POLL_SECONDS = 0.5  # on some systems Ctrl-C does not interrupt one that waits for a queue or a process
# Ctrl-C reaches the parent alone, which asks its children to stop. Not with SIGTERM: on Windows it kills,
# and a cluster's scheduler may have sent it to every process already.
_APART: dict[str, Any]
if sys.platform == "win32":
    _STOP, _APART = signal.CTRL_BREAK_EVENT, {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
else:
    _STOP, _APART = signal.SIGUSR1, {"process_group": 0}


def run_in_subprocesses(
    target: str, arguments: Iterable[tuple[Any, ...]], *, at_once: int = 1
) -> Generator[tuple[int, Any], bool | None, None]:
    """Call a generator function once per tuple of arguments, each call in its own process.

    Children end when the iterator is closed. Ctrl-C asks them to stop, a second Ctrl-C kills them;
    values that they yield until then are still delivered.

    Args:
        target: ``module:function``; arguments and yielded values must be picklable.
        arguments: argument tuples, one per call; each is taken when a process is free for it.
        at_once: number of processes that run at the same time; they share the cores.

    Yields:
        The index of a call and the next value that it yields; True, sent back, asks this call to stop. A call
        that fails yields its `SegkitError` last; the others continue.
    """
    messages: queue.Queue[tuple[int, Any]] = queue.Queue()
    running: dict[int, subprocess.Popen[bytes]] = {}
    waiting = enumerate(arguments)
    try:
        while True:
            while len(running) < at_once and (taken := next(waiting, None)):
                number, given = taken
                running[number] = _start(at_once)
                call = (target, given, sys.argv)
                threading.Thread(
                    target=_listen, args=(running[number], number, call, messages), daemon=True
                ).start()
            if not running:
                return
            try:
                number, value = messages.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if value is _END:
                del running[number]
            elif (yield number, value):
                running[number].send_signal(_STOP)
    except KeyboardInterrupt:
        _end(running.values())
        while running:
            number, value = messages.get()
            if value is _END:
                del running[number]
            elif isinstance(value, SegkitError) and not isinstance(value, _Ended):
                yield number, value
        raise
    finally:
        _end(running.values())


def _end(children: Iterable[subprocess.Popen[bytes]]) -> None:
    """Ask children to stop and wait for them; on Ctrl-C kill them."""
    for child in children:
        child.send_signal(_STOP)
    try:
        for child in children:
            while child.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    child.wait(_POLL_SECONDS)
    except KeyboardInterrupt:
        for child in children:
            child.kill()
        raise


_END = object()


def _start(at_once: int) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    if at_once > 1:
        environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // at_once)))
    command = [sys.executable, "-P", "-c", _START]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, **_APART)


def _listen(
    process: subprocess.Popen[bytes], number: int, call: Any, messages: queue.Queue[tuple[int, Any]]
) -> None:
    """Send the call to the child, and queue its values until it ends."""
    assert process.stdin
    assert process.stdout
    with process, process.stdin, process.stdout:
        last = None
        try:
            pickle.dump(call, process.stdin)
            process.stdin.close()
            while True:
                last = pickle.load(process.stdout)
                messages.put((number, last))
        except (EOFError, OSError, pickle.UnpicklingError):
            pass  # it ended, perhaps in the middle of a message
    if process.returncode and not isinstance(last, SegkitError):
        messages.put((number, _ended(process.returncode)))
    messages.put((number, _END))


class _Ended(TrainingError):
    """A process that ended without an error message."""


def _ended(code: int) -> _Ended:
    killed = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    hint = "was there memory enough? a smaller data.batch_size, or fewer at once" if code == -9 else ""
    return _Ended(f"its process {killed}", hint=hint)


def send(value: Any) -> None:
    """In a child: send a value to the parent, beside those that are yielded.

    Raises:
        OSError: if the parent has gone.
    """
    _write(_answers[-1], value)


_answers: list[BinaryIO] = []  # the child's pipe to its parent


def main() -> None:
    """Entry point of a child: run the call and send back what it yields."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    _answers.append(answers)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # printing in parts must not disturb the pipe
    target, arguments, sys.argv = pickle.load(sys.stdin.buffer)
    module, _, function = target.partition(":")
    try:
        for value in getattr(importlib.import_module(module), function)(*arguments):
            _write(answers, value)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if is_broken_pipe(error):
            sys.exit(1)  # the parent has gone
        _write(answers, error if isinstance(error, SegkitError) else _unexpected(error))
        sys.exit(1)


def _write(answers: BinaryIO, value: Any) -> None:
    pickle.dump(value, answers)
    answers.flush()


def _unexpected(error: Exception) -> SegkitError:
    if explained := in_words(error):
        return explained
    hint = "segkit run with its recipe and --traceback shows where"
    return TrainingError(f"{type(error).__name__}: {error}".rstrip(": "), hint=hint)

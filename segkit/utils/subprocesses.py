"""Calls in fresh processes: each has its own memory, its own torch, and nothing left from the one before."""

from __future__ import annotations

import importlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO

from segkit.core.errors import SegkitError, TrainingError
from segkit.utils.os_errors import in_words

_START = "from segkit.utils.subprocesses import main; main()"
_PATIENCE_SECONDS = 0.5  # between two looks at the keyboard: some systems do not interrupt a waiting queue


def in_children(
    target: str, arguments: Sequence[tuple[Any, ...]], *, at_once: int = 1
) -> Iterator[tuple[int, Any]]:
    """Call a generator function once for each tuple of arguments, each call in a process of its own.

    All children end when the iterator is closed, or with this process. Ctrl-C asks them to end in good time,
    and once more ends them at once; what they say until then still comes.

    Args:
        target: ``module:function``; the function takes and yields what can be pickled.
        arguments: of the calls.
        at_once: how many processes run at the same time; they share the processor's cores.

    Yields:
        The number of a call, from 0, and the next value that it yields. A call that fails yields its
        `SegkitError` last; the others go on.
    """
    said: queue.Queue[tuple[int, Any]] = queue.Queue()
    running: dict[int, subprocess.Popen[bytes]] = {}
    waiting = list(range(len(arguments)))
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                number = waiting.pop(0)
                running[number] = _start(at_once)
                call = (target, arguments[number], sys.argv)
                threading.Thread(
                    target=_listen, args=(running[number], number, call, said), daemon=True
                ).start()
            try:
                number, value = said.get(timeout=_PATIENCE_SECONDS)
            except queue.Empty:
                continue
            if value is _END:
                del running[number]
            else:
                yield number, value
    except KeyboardInterrupt:
        _end(running.values())
        while running:
            number, value = said.get()
            if value is _END:
                del running[number]
            elif isinstance(value, SegkitError) and not isinstance(value, _Ended):
                yield number, value
        raise
    finally:
        _end(running.values())


def _end(children: Iterable[subprocess.Popen[bytes]]) -> None:
    """Ask them to end, and wait until they have; ended by Ctrl-C, end them at once.

    Not with SIGTERM, of which a child may have heard already: a cluster's scheduler sends it to all.
    """
    for child in children:
        child.send_signal(getattr(signal, "SIGUSR1", signal.SIGTERM))
    try:
        for child in children:
            child.wait()
    except KeyboardInterrupt:
        for child in children:
            child.kill()
        raise


_END = object()


def _start(at_once: int) -> subprocess.Popen[bytes]:
    """A Python like this one, with as many threads as are its share."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    if at_once > 1:
        environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // at_once)))
    command = [sys.executable, "-P", "-c", _START]
    apart: Any = {"process_group": 0} if os.name == "posix" else {}  # Ctrl-C reaches the parent alone
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, **apart)


def _listen(
    process: subprocess.Popen[bytes], number: int, call: Any, said: queue.Queue[tuple[int, Any]]
) -> None:
    """Hand over the call, and pass on what the child says until it has ended."""
    assert process.stdin
    assert process.stdout
    with process, process.stdin, process.stdout:
        last = None
        try:
            pickle.dump(call, process.stdin)
            process.stdin.close()
            while True:
                last = pickle.load(process.stdout)
                said.put((number, last))
        except (EOFError, OSError, pickle.UnpicklingError):
            pass  # it has ended, or was ended in the middle of a word
    if process.returncode and not isinstance(last, SegkitError):
        said.put((number, _ended(process.returncode)))
    said.put((number, _END))


class _Ended(TrainingError):
    """A process that could not say why."""


def _ended(code: int) -> _Ended:
    killed = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    hint = "was there memory enough? a smaller data.batch_size, or fewer at once" if code == -9 else ""
    return _Ended(f"its process {killed}", hint=hint)


def say(value: Any) -> None:
    """In a child: send a value between two that are yielded.

    Raises:
        BrokenPipeError: if nobody listens any more.
    """
    _say(_answers[-1], value)


_answers: list[BinaryIO] = []  # where a child's values go


def main() -> None:
    """What a child does: the call that it is handed; what this yields goes back."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    _answers.append(answers)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what parts print must not get in between
    target, arguments, sys.argv = pickle.load(sys.stdin.buffer)
    module, _, function = target.partition(":")
    try:
        for value in getattr(importlib.import_module(module), function)(*arguments):
            _say(answers, value)
    except BrokenPipeError:
        sys.exit(1)  # nobody listens any more
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        _say(answers, error if isinstance(error, SegkitError) else _unforeseen(error))
        sys.exit(1)


def _say(answers: BinaryIO, value: Any) -> None:
    pickle.dump(value, answers)
    answers.flush()


def _unforeseen(error: Exception) -> TrainingError:
    if told := in_words(error):
        return told
    hint = "segkit run with its recipe and --traceback shows where"
    return TrainingError(f"{type(error).__name__}: {error}".rstrip(": "), hint=hint)

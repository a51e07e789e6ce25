"""What a signal does, and when."""

import multiprocessing
import signal
import subprocess
import sys
import threading
import time

import pytest

from segkit.utils.signals import handle_signals, held_back, leave_to_the_parent

ASKING = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGBREAK")
    if hasattr(signal, name)
]


@pytest.fixture(autouse=True)
def as_it_was():
    former = {number: signal.getsignal(number) for number in ASKING}
    for number in ASKING:  # a shell ignores Ctrl-C for what it starts in the background
        signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in former.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ASKING)
def test_a_signal_interrupts_at_once_where_nobody_looks(number):
    with handle_signals() as stop:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        assert not stop.requested


@pytest.mark.parametrize("number", ASKING)
def test_a_signal_is_noted_in_good_time_and_interrupts_when_it_comes_again(number):
    told = []
    with handle_signals(lambda: told.append(1)) as stop, stop.deferred():
        signal.raise_signal(number)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert told == [1]


def test_different_signals_ask_for_the_same_thing():
    """Ctrl-C reaches all processes of a terminal, and torchrun sends SIGTERM after it."""
    told = []
    with handle_signals(lambda: told.append(1)) as stop, stop.deferred():
        for number in ASKING:
            signal.raise_signal(number)
        assert stop.requested
    assert told == [1]


def test_after_the_good_time_a_signal_interrupts_again():
    with handle_signals() as stop:
        with stop.deferred():
            pass
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


def test_what_is_ignored_stays_ignored_and_all_is_as_it_was_in_the_end():
    last = ASKING[-1]
    signal.signal(last, signal.SIG_IGN)  # as nohup has it
    former = signal.getsignal(signal.SIGTERM)
    with handle_signals() as stop:
        signal.raise_signal(last)
        assert not stop.requested
        assert signal.getsignal(signal.SIGTERM) != former
    assert signal.getsignal(signal.SIGTERM) == former


@pytest.mark.posix("signals are not held back there")
def test_held_back_signals_come_in_the_end():
    with handle_signals() as stop, stop.deferred():
        with held_back():
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)  # another thread would take it at once
            assert not stop.requested
        assert stop.requested


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who has sent a signal")
def test_workers_leave_it_to_the_parent():
    fork = multiprocessing.get_context("fork")
    ready = fork.Event()
    worker = fork.Process(target=_work, args=(ready,), daemon=True)
    with held_back():  # as workers are started
        worker.start()
    assert ready.wait(60)
    for number in ASKING:
        subprocess.run(["kill", f"-{number.value}", str(worker.pid)], check=True)
    worker.join(0.3)
    assert worker.is_alive()
    worker.terminate()
    worker.join(60)
    assert worker.exitcode == 0


def _work(ready):
    leave_to_the_parent()
    ready.set()
    time.sleep(120)

"""Calls in processes of their own."""

import os
import signal
import time

import pytest

from segkit.core.errors import SegkitError, TrainingError
from segkit.utils.machine import is_running
from segkit.utils.subprocesses import run_in_subprocesses

HERE = "tests.utils.test_subprocesses"


def count(upto, pid=False):
    for number in range(upto):
        print("this must not get in between")  # noqa: T201
        yield (number, os.getpid()) if pid else number


def fail(kind):
    yield "first"
    if kind == "user":
        raise SegkitError("no such image", where="a.png", hint="another one")
    if kind == "bug":
        raise ZeroDivisionError("by zero")
    os.kill(os.getpid(), signal.SIGKILL)


def forever(file):
    file.write_text(str(os.getpid()), encoding="utf-8")
    while True:
        time.sleep(0.05)
        yield os.getpid()


def test_what_a_child_yields_arrives_in_order():
    assert list(run_in_subprocesses(f"{HERE}:count", [(2,), (3,)])) == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
        (1, 2),
    ]


def test_every_call_has_a_process_of_its_own():
    said = list(run_in_subprocesses(f"{HERE}:count", [(1, True), (1, True)], at_once=2))
    pids = {pid for _, (_, pid) in said}
    assert len(pids) == 2
    assert os.getpid() not in pids
    assert sorted(number for number, _ in said) == [0, 1]


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("user", "no such image"),
        ("bug", "ZeroDivisionError: by zero"),
        pytest.param(
            "killed",
            "its process was ended by signal 9",
            marks=pytest.mark.posix("nothing ends by a signal there"),
        ),
    ],
)
def test_a_failing_child_says_why_and_the_others_go_on(kind, problem):
    said = list(run_in_subprocesses(f"{HERE}:fail", [(kind,), ("user",)]))
    assert [number for number, _ in said] == [0, 0, 1, 1]
    error = said[1][1]
    assert isinstance(error, SegkitError)
    assert isinstance(error, TrainingError) == (kind != "user")
    assert error.problems[0].problem == problem
    if kind == "user":
        assert (error.problems[0].file, error.problems[0].hint) == ("a.png", "another one")


def test_children_end_when_nobody_listens(tmp_path):
    file = tmp_path / "pid"
    said = run_in_subprocesses(f"{HERE}:forever", [(file,)])
    next(said)
    said.close()
    assert not is_running(int(file.read_text(encoding="utf-8")))


def test_children_share_the_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    at_once = os.cpu_count() or 1
    said = dict(run_in_subprocesses(f"{HERE}:threads", [()] * 2, at_once=max(2, at_once)))
    assert set(said.values()) == {"1"}


def threads():
    yield os.environ.get("OMP_NUM_THREADS")

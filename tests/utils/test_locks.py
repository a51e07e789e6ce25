"""One process at a time, and none for ever."""

import errno
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from segkit.utils import locks
from segkit.utils.locks import LockedError, exclusive, locked

HOLD = """
import os, sys, time
from pathlib import Path
from segkit.utils.locks import exclusive
with exclusive(Path(sys.argv[1])):
    os.write(1, b"held\\n")
    sys.stdin.read()
"""
FORKED = HOLD.replace("    os.write", "    child = os.fork() == 0\n    os.write").replace(
    "    sys.stdin", "    if child: time.sleep(60)\n    sys.stdin"
)

WITHOUT_LOCKS = HOLD.replace(
    "with exclusive", "import errno\nfrom segkit.utils import locks\n"
    "def refuse(self, *_, **__): raise OSError(errno.ENOLCK, '')\n"
    "locks.FileLock.acquire = refuse\nwith exclusive",
)  # fmt: skip


@pytest.fixture
def lock(tmp_path):
    return tmp_path / ".lock"


def holder(lock, code=HOLD, **options):
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        **options,
    )  # fmt: skip
    assert process.stdout.readline() == "held\n"
    return process


def end(process):
    process.kill()
    process.communicate()


def test_the_second_is_told_who_holds_it(lock):
    process = holder(lock)
    try:
        with pytest.raises(LockedError) as caught, exclusive(lock):
            pass
        assert re.fullmatch(rf"process {process.pid} on \S+, since 20\d\d-\S+ \S+", caught.value.holder)
        process.communicate("")  # it lets go
        assert not lock.exists()
        with exclusive(lock):
            assert lock.exists()
    finally:
        process.kill()
        process.wait()


@pytest.mark.posix("its child is a fork")
def test_a_dead_process_holds_nothing_even_where_its_children_live(lock):
    process = holder(lock, FORKED, start_new_session=True)
    assert process.stdout.readline() == "held\n"  # of the child, which has let go of the lock before
    process.kill()
    process.wait()
    assert lock.exists()
    with exclusive(lock):
        pass
    assert not lock.exists()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.fixture
def no_locks(monkeypatch):
    """As on some network file systems."""

    def refuse(self, *_, **__):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.FileLock, "acquire", refuse)


@pytest.mark.usefixtures("no_locks")
def test_without_locks_the_file_counts_until_its_process_is_dead(lock):
    process = holder(lock, WITHOUT_LOCKS)
    with pytest.raises(LockedError), exclusive(lock):
        pass
    end(process)
    assert lock.exists()
    with exclusive(lock):
        assert lock.exists()
    assert not lock.exists()


@pytest.mark.usefixtures("no_locks")
def test_without_locks_nobody_waits_for_a_process_that_may_be_dead_on_another_machine(lock):
    process = holder(lock, WITHOUT_LOCKS)
    with pytest.raises(OSError, match="locked by another process"), locked(lock):
        pass
    end(process)


@pytest.mark.parametrize("lock_with", [exclusive, locked])
def test_other_errors_are_no_lack_of_locks(tmp_path, lock_with):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError), lock_with(tmp_path / "file" / "folder" / "lock"):
        pass


def test_a_deleted_folder_stays_deleted(tmp_path):
    with pytest.raises(FileNotFoundError), exclusive(tmp_path / "gone" / "lock"):
        pass
    assert not (tmp_path / "gone").exists()


@pytest.mark.posix("a file that is open is not deleted there")
def test_a_lock_is_had_after_its_holder_has_deleted_the_folder(tmp_path):
    lock = tmp_path / "new" / "lock"
    waiting = threading.Event()

    def wait():
        waiting.set()
        with locked(lock):
            return lock.exists()

    with ThreadPoolExecutor() as pool:
        with locked(lock) as held:
            assert held
            with locked(lock, wait=False) as again:
                assert not again
            other = pool.submit(wait)
            waiting.wait()
            time.sleep(0.2)
            lock.unlink()
            lock.parent.rmdir()
        assert other.result(60)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"host": 3}', '{"pid": "x"}'])
def test_a_damaged_lock_file_keeps_nobody_out(lock, content):
    lock.write_text(content)
    with exclusive(lock):
        pass


@pytest.mark.posix("links need a privilege there")
def test_a_lock_that_links_elsewhere_writes_nothing_there(lock, tmp_path):
    (tmp_path / "mine").write_text("mine")
    lock.symlink_to(tmp_path / "mine")
    with pytest.raises(OSError, match="symbolic link"), exclusive(lock):
        pass
    assert (tmp_path / "mine").read_text() == "mine"

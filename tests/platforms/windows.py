"""What segkit does on Windows. `test_windows.py` runs these, where Windows is imitated (`windows_like`)."""

from __future__ import annotations

import errno
import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from segkit.cli.scaffold.names import check_name
from segkit.core.errors import SegkitError, TrainingError
from segkit.core.paths import quoted
from segkit.data.cache.maintenance import clear_cache
from segkit.data.cache.store import read_pack
from segkit.data.cache.writer import StoreWriter
from segkit.inference.probability_files import npy_writer
from segkit.runs.run_dir import RunDir, write_json
from segkit.training.checkpoint import StateFiles
from segkit.utils import machine
from segkit.utils.atomic import atomic_write, replace
from segkit.utils.locks import exclusive, locked
from segkit.utils.os_errors import cannot_write, is_broken_pipe, is_path_too_long
from segkit.utils.signals import held_back, leave_to_the_parent

BY_ANOTHER = "being used by another process"


@pytest.mark.parametrize("module", ["fcntl", "pwd", "resource", "termios"])
def test_modules_are_missing(module: str) -> None:
    with pytest.raises(ModuleNotFoundError):
        __import__(module, globals())


def test_functions_and_signals_are_missing() -> None:
    assert not [
        name for name in ("fork", "pread", "getuid", "sched_getaffinity", "mkfifo") if hasattr(os, name)
    ]
    assert not [name for name in ("SIGKILL", "SIGHUP", "SIGUSR1", "pthread_sigmask") if hasattr(signal, name)]
    assert (sys.platform, os.name) == ("win32", "nt")


def test_folders_are_not_opened_and_what_is_only_read_is_not_flushed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PermissionError):
        os.open(tmp_path, os.O_RDONLY)
    with (tmp_path / "file").open("rb") as file, pytest.raises(OSError, match="Bad file descriptor"):
        os.fsync(file.fileno())
    with pytest.raises(OSError, match="privilege"):
        (tmp_path / "link").symlink_to("file")


@pytest.mark.parametrize("how", ["open", "mapped"])
def test_files_in_use_stay(tmp_path: Path, how: str) -> None:
    path, other = tmp_path / "file", tmp_path / "other"
    for file in (path, other):
        file.write_bytes(b"content")
    opened = path.open("rb")
    used = opened if how == "open" else mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    if how == "mapped":
        opened.close()
    for change in (path.unlink, lambda: other.replace(path), lambda: path.rename(tmp_path / "new")):
        with pytest.raises(PermissionError, match=BY_ANOTHER):
            change()
    used.close()
    other.replace(path)
    path.unlink()


@pytest.mark.parametrize("name", ["aux", "NUL.txt", "a:b", "a?", "end.", "a" * 250])
def test_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OSError, match=r"syntax is incorrect|cannot find the path"):
        (tmp_path / name).write_bytes(b"")


# --- segkit ---


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_replaced(tmp_path: Path, durable: bool) -> None:
    for content in ("old", "new"):
        with atomic_write(tmp_path / "file", durable=durable) as temporary:
            temporary.write_text(content)
    assert (tmp_path / "file").read_text() == "new"


def test_a_file_that_is_open_for_a_moment_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "new").write_text("new")
    opened = (tmp_path / "file").open()
    closing = threading.Timer(0.2, opened.close)
    closing.start()
    replace(tmp_path / "new", tmp_path / "file")
    closing.join()
    assert (tmp_path / "file").read_text() == "new"


def test_a_file_that_stays_open_is_told(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.write_recipe("old")
    started = time.monotonic()
    with run.recipe.open(), pytest.raises(TrainingError) as caught, run.as_write_error():
        run.write_recipe("new")
    assert time.monotonic() - started > 0.9
    assert str(caught.value) == (
        f"{run.recipe}: cannot write: The process cannot access the file because it is being used by another "
        "process\n  try: close the programs that have it open, or make the location writable; then segkit "
        f"resume {tmp_path} continues"
    )
    assert [file.name for file in tmp_path.iterdir()] == ["recipe.yaml"]
    assert run.recipe.read_text() == "old"


def test_a_path_that_is_too_long_is_told(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["folder" * 8] * 4)
    with pytest.raises(OSError, match="cannot find the path") as caught:
        RunDir.create(deep, "a" * 100)
    error = cannot_write(caught.value, deep, "the same again")
    assert is_path_too_long(caught.value)
    assert not is_path_too_long(FileNotFoundError(errno.ENOENT, "The system cannot find the path", "a"))
    characters = len(error.problems[0].file)
    assert error.problems[0].hint == (
        f"choose a shorter path (it has {characters} characters, "
        "Windows takes 259 unless long paths are switched on); then the same again"
    )


@pytest.mark.parametrize(
    ("recipe", "folder"),
    [("con", "_con"), ("Aux.v2", "_Aux.v2"), ("v1.", "v1"), ("a:b", "a_b"), ("...", "_")],
)
def test_runs_have_names_that_are_possible(tmp_path: Path, recipe: str, folder: str) -> None:
    assert RunDir.create(tmp_path, recipe).path == tmp_path / folder / "001"


def test_parts_have_names_that_are_possible() -> None:
    with pytest.raises(SegkitError, match="Windows keeps this name for a device") as caught:
        check_name("loss", "aux")
    assert caught.value.problems[0].hint == "my_aux"


def test_line_ends_are_the_same_everywhere(tmp_path: Path) -> None:
    write_json(tmp_path / "file.json", {"a": [1, 2]})
    RunDir(tmp_path).write_recipe("a: 1\nb: 2\n")
    assert [file for file in tmp_path.iterdir() if b"\r" in file.read_bytes()] == []


@pytest.mark.parametrize(
    ("path", "word"),
    [
        (r"C:\runs\a", r"C:\runs\a"),
        (r"C:\my runs\a", r'"C:\my runs\a"'),
        ("my runs\\", '"my runs\\\\"'),
        ("a & del b; c", '"a & del b; c"'),
        ('a" & del b', '"a? & del b"'),
        ("$(del b) `", '"?(del b) ?"'),
        ("a\u201d; del b", '"a?; del b"'),
    ],
)
def test_paths_are_one_word_of_its_shells(path: str, word: str) -> None:
    assert quoted(path) == word


def test_a_lock_is_let_go(tmp_path: Path) -> None:
    for _ in range(2):
        with exclusive(tmp_path / ".lock"):
            assert (tmp_path / ".lock").exists()
        assert list(tmp_path.iterdir()) == []
    with locked(tmp_path / "lock") as held:
        assert held


def cached(root: Path) -> Path:
    """The pack of a cache folder with one image."""
    folder = root / ("0" * 32)
    folder.mkdir()
    writer = StoreWriter(folder)
    writer.add(b"k" * 32, np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8))
    writer.finish()
    (folder / "about.json").write_text("{}")
    return next(folder.glob("*.safetensors"))


def test_a_cache_is_cleared_unless_it_is_mapped(tmp_path: Path) -> None:
    pack = cached(tmp_path)
    groups = read_pack(pack)
    assert clear_cache(tmp_path) == []
    assert pack.exists()
    del groups
    assert len(clear_cache(tmp_path)) == 1
    assert list(tmp_path.iterdir()) == []


def test_probabilities_are_written(tmp_path: Path) -> None:
    with npy_writer(tmp_path / "a.npy", (1, 2, 2)) as write:
        write(slice(0, 2), np.ones((1, 2, 2), np.float32))
    assert np.load(tmp_path / "a.npy").sum() == 4
    assert len(list(tmp_path.iterdir())) == 1


def test_states_are_replaced(tmp_path: Path) -> None:
    states = StateFiles(tmp_path)
    for number in range(3):
        states.save({"number": torch.tensor(number)})
    state, warnings = states.load()
    assert (state, warnings) == ({"number": torch.tensor(2)}, [])


def test_the_machine_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "Path", None)  # there is no /proc
    assert machine.usable_cores() >= 1
    assert machine.peak_memory() > 1 << 20


def test_workers_ignore_what_asks_to_stop() -> None:
    numbers = (signal.SIGINT, signal.SIGBREAK, signal.SIGTERM)  # type: ignore[attr-defined]
    former = {number: signal.getsignal(number) for number in numbers}
    try:
        with held_back():
            leave_to_the_parent()
        assert [signal.getsignal(number) for number in numbers] == [
            signal.SIG_IGN, signal.SIG_IGN, signal.SIG_DFL,
        ]  # fmt: skip
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def test_a_closed_pipe_is_known() -> None:
    assert is_broken_pipe(OSError(errno.EINVAL, "Invalid argument"))
    assert not is_broken_pipe(OSError(errno.ENOSPC, "No space left on device"))


def test_a_process_group_takes_the_place_of_a_session() -> None:
    with pytest.raises(ValueError, match="not supported on Windows"):
        subprocess.Popen([sys.executable, "-c", ""], start_new_session=True)

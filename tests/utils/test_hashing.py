"""Digests of files are remembered, and never when they may be wrong."""

import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from segkit.utils import hashing as module
from segkit.utils.hashing import FileDigests


@pytest.fixture
def hashed(monkeypatch):
    """The names of the files that were read."""
    read: list[str] = []
    original = hashlib.file_digest

    def counted(file, name):
        read.append(Path(file.name).name)
        return original(file, name)

    monkeypatch.setattr(module.hashlib, "file_digest", counted)
    return read


@pytest.fixture
def settled(monkeypatch):
    """Files are hashed an hour after they were written."""
    real = time.time_ns
    monkeypatch.setattr(module.time, "time_ns", lambda: real() + 3600 * 10**9)


def digests_of(tmp_path, *files):
    return [digest.hex() for digest in FileDigests(tmp_path / "cache").of(files).values()]


def written(file, content: bytes):
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    return file


def test_file_is_hashed_once(tmp_path, hashed, settled):
    files = [written(tmp_path / folder / "a", folder.encode()) for folder in "xy"]
    wanted = [hashlib.sha256(folder.encode()).hexdigest() for folder in "xy"]
    for _ in range(3):
        assert digests_of(tmp_path, *files) == wanted
    assert hashed == ["a", "a"]


def test_file_that_was_just_written_is_not_trusted(tmp_path, hashed):
    file = written(tmp_path / "x" / "a", b"1")
    digests_of(tmp_path, file)
    digests_of(tmp_path, file)
    assert hashed == ["a", "a"]


@pytest.mark.parametrize("how", ["content", "size", "time", "inode"])
def test_change_is_seen(tmp_path, hashed, settled, how):
    file = written(tmp_path / "x" / "a", b"1")
    os.utime(file, (5, 5))
    digests_of(tmp_path, file)
    if how == "inode":
        written(tmp_path / "x" / "b", b"2").replace(file)
    else:
        time.sleep(0.02)  # a tick of the clock of the file system
        written(file, b"22" if how == "size" else b"2")
    if how != "time":
        os.utime(file, (5, 5))
    (digest,) = digests_of(tmp_path, file)
    assert digest == hashlib.sha256(file.read_bytes()).hexdigest()
    assert hashed == ["a", "a"]


def test_file_that_cannot_be_read_is_left_out(tmp_path):
    file = written(tmp_path / "x" / "a", b"1")
    assert list(FileDigests(tmp_path / "cache").of([tmp_path / "x" / "b", file])) == [file]
    assert FileDigests(tmp_path / "cache").of([tmp_path / "nowhere" / "b"]) == {}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"files": 3}',
        b'{"files": {"a": 3}}',
        b'{"files": {"a": "1 2 3"}}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_memory_that_is_damaged_is_made_again(tmp_path, hashed, settled, content):
    file = written(tmp_path / "x" / "a", b"1")
    digests_of(tmp_path, file)
    (memory,) = (tmp_path / "cache" / "digests").iterdir()
    memory.write_bytes(content)
    for _ in range(2):
        assert digests_of(tmp_path, file) == [hashlib.sha256(b"1").hexdigest()]
    assert hashed == ["a", "a"]


def test_memory_that_cannot_be_written_is_done_without(tmp_path, hashed, settled):
    file = written(tmp_path / "x" / "a", b"1")
    (tmp_path / "cache").write_text("")
    for _ in range(2):
        assert digests_of(tmp_path, file) == [hashlib.sha256(b"1").hexdigest()]
    assert FileDigests(None).of([file])[file] == hashlib.sha256(b"1").digest()
    assert hashed == ["a"] * 3


def test_files_that_are_gone_are_forgotten(tmp_path, settled):
    files = [written(tmp_path / "x" / name, b"1") for name in "ab"]
    digests_of(tmp_path, *files)
    files[0].unlink()
    digests_of(tmp_path, files[1], written(tmp_path / "x" / "c", b"1"))
    (memory,) = (tmp_path / "cache" / "digests").iterdir()
    assert sorted(json.loads(memory.read_text())["files"]) == ["b", "c"]

"""Records in a temporary file come back as they were written; a folder that takes none is named."""

from __future__ import annotations

import errno
import io
import tempfile
from pathlib import Path

import numpy as np
import pytest

from segkit.core.errors import TrainingError
from segkit.utils.record_file import RecordFile

KIND = np.dtype([("number", np.int32), ("pixels", np.uint8, (2, 3))])
AGAIN = "the same command again, or set TMPDIR to another folder for temporary files"


class Slow(io.FileIO):
    """A file that takes a few bytes at a time, as a disk does that is nearly full."""

    def write(self, content: memoryview) -> int:
        return super().write(content[:3])


@pytest.mark.parametrize("slow", [False, True])
def test_records_are_read_by_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: bool) -> None:
    if slow:
        monkeypatch.setattr(tempfile, "TemporaryFile", lambda buffering: Slow(tmp_path / "file", "w+b"))
    given = {number: np.array((number, np.full((2, 3), number)), KIND) for number in (0, 1, 2, 5, 6, 9)}
    with RecordFile(KIND) as file:
        for number, record in reversed(given.items()):
            file.write(number, record)
        for indices in ([], [0], [1, 2], [0, 2, 5, 6, 9], [*given]):
            found = file.read(np.array(indices, np.intp))
            assert found.dtype == KIND
            assert found.tobytes() == b"".join(given[index].tobytes() for index in indices)
        assert file.read(np.array([3, 4]))["number"].tolist() == [0, 0]  # never written


@pytest.mark.posix("there is no /dev/full")
def test_a_full_disk_is_told_where_it_is_met(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/temporary")
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda buffering: io.FileIO("/dev/full", "r+b"))
    with RecordFile(KIND) as file, pytest.raises(TrainingError) as caught:
        file.write(0, np.zeros((), KIND))
    (problem,) = caught.value.problems
    assert (problem.problem, problem.where, problem.hint) == (
        "cannot write: No space left on device",
        "/temporary",
        f"free some space; then {AGAIN}",
    )


def test_no_folder_for_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(buffering: int) -> None:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/a', '/b']")

    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    with pytest.raises(TrainingError) as caught:
        RecordFile(KIND)
    (problem,) = caught.value.problems
    assert problem.problem == "cannot write: No usable temporary directory found in ['/a', '/b']"
    assert problem.hint == f"make the location writable; then {AGAIN}"

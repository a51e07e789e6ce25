"""Files appear whole or not at all."""

import errno
import os

import pytest

from segkit.utils.atomic import atomic_write, remove_leftovers


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_is_replaced_when_it_is_whole(tmp_path, durable):
    file = tmp_path / "file"
    file.write_text("old")
    with atomic_write(file, durable=durable) as temporary:
        temporary.write_text("new")
        assert file.read_text() == "old"
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


def test_a_failure_leaves_the_old_file_alone(tmp_path):
    file = tmp_path / "file"
    file.write_text("old")

    def write():
        with atomic_write(file) as temporary:
            temporary.write_text("ne")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert (file.read_text(), list(tmp_path.iterdir())) == ("old", [file])


def test_a_full_disk_names_the_file(tmp_path):
    def write():
        with atomic_write(tmp_path / "file"):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left on device") as caught:
        write()
    assert caught.value.filename == str(tmp_path / "file")


def test_what_killed_processes_leave_is_swept(tmp_path):
    (tmp_path / "samples").mkdir()
    left = [tmp_path / ".report.html.123", tmp_path / "samples" / ".1_image.png.4"]
    kept = [tmp_path / ".lock", tmp_path / "report.html", tmp_path / ".hidden", tmp_path / "a.7"]
    for file in left + kept:
        file.write_text("")
    remove_leftovers(tmp_path)
    assert [file.exists() for file in left + kept] == [False] * 2 + [True] * 4


def test_what_a_link_in_its_way_leads_to_is_not_written_to(tmp_path):
    (tmp_path / "mine").write_text("mine")
    for name in ("file", f".file.{os.getpid()}"):
        (tmp_path / name).symlink_to(tmp_path / "mine")
    with atomic_write(tmp_path / "file") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (tmp_path / "file").is_symlink()

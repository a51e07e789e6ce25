"""Files appear whole or not at all."""

import errno
import os

import pytest

from segkit.utils.atomic import atomic_folder, atomic_write, remove_leftovers

LONG = pytest.mark.posix("paths end at 259 characters there")


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


@pytest.mark.parametrize(
    "name", [pytest.param("a" * 255, marks=LONG), "ä" * 127, "\N{OLD PERSIAN SIGN A}" * 63]
)
def test_any_name_that_the_file_system_takes_can_be_written(tmp_path, name):
    for content in ("old", "new"):
        with atomic_write(tmp_path / name) as temporary:
            temporary.write_text(content)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["new"]


@pytest.mark.posix("paths end at 259 characters there")
def test_a_temporary_name_is_no_longer_than_the_shortest_limit(tmp_path):
    """Encrypted folders take 143 bytes."""
    names = ["a" * length for length in range(1, 256)]
    for name in names:
        with atomic_write(tmp_path / name) as temporary:
            temporary.touch()
            assert len(temporary.name) <= 143
    assert len([*tmp_path.iterdir()]) == len(names)


def test_two_long_names_with_one_beginning_do_not_disturb_each_other(tmp_path):
    with atomic_write(tmp_path / ("a" * 119 + "1")) as one, atomic_write(tmp_path / ("a" * 119 + "2")) as two:
        one.write_text("1")
        two.write_text("2")
    assert sorted(file.read_text() for file in tmp_path.iterdir()) == ["1", "2"]


def test_the_files_of_a_folder_appear_together(tmp_path):
    folder = tmp_path / "a" / "b"
    for content in ("old", "new"):
        with atomic_folder(folder) as new:
            (new / "inside").mkdir()
            (new / "inside" / "file").write_text(content)
            (new / f"{content}.txt").touch()
            assert not (folder / f"{content}.txt").exists()
    assert (folder / "inside" / "file").read_text() == "new"
    assert sorted(file.name for file in folder.iterdir()) == ["inside", "new.txt", "old.txt"]
    assert [*folder.parent.iterdir()] == [folder]


def test_a_folder_that_exists_may_be_a_disk_of_its_own(tmp_path):
    with atomic_folder(tmp_path) as new:
        assert new.parent == tmp_path


def test_a_failure_leaves_the_old_folder_alone(tmp_path):
    def write():
        with atomic_folder(tmp_path / "folder") as new:
            (new / "file").write_text("new")
            raise OSError(errno.ENOSPC, "No space left on device", str(new / "other"))

    with pytest.raises(OSError, match="No space left") as caught:
        write()
    assert caught.value.filename == str(tmp_path / "folder" / "other")
    assert [*tmp_path.iterdir()] == []


def test_what_killed_processes_leave_is_swept(tmp_path):
    (tmp_path / "samples").mkdir()
    left = [tmp_path / name for name in (".report.html.123", "samples/.1_image.png.4", f".{'0a' * 32}.5")]
    kept = [tmp_path / ".lock", tmp_path / "report.html", tmp_path / ".hidden", tmp_path / "a.7"]
    for file in left + kept:
        file.write_text("")
    remove_leftovers(tmp_path)
    assert [file.exists() for file in left + kept] == [False] * 3 + [True] * 4


@pytest.mark.posix("links need a privilege there")
def test_what_a_link_in_its_way_leads_to_is_not_written_to(tmp_path):
    (tmp_path / "mine").write_text("mine")
    for name in ("file", f".file.{os.getpid()}"):
        (tmp_path / name).symlink_to(tmp_path / "mine")
    with atomic_write(tmp_path / "file") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (tmp_path / "file").is_symlink()

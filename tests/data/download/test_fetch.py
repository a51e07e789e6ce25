"""Fetching ISIC 2016, from a server on this machine that serves small zips of the same layout."""

import errno
import hashlib
import json
import shutil
import stat
import zipfile
from collections import namedtuple

import pytest

from segkit.core.errors import DataError
from segkit.data.download import isic2016 as fetch
from segkit.data.download import unzip as _unpack
from segkit.data.download.isic2016 import fetch_isic2016
from tests.data.download.conftest import (
    FOLDERS,
    TEST,
    TEST_MASKS,
    TRAINING,
    TRAINING_MASKS,
    assert_complete,
    members,
)
from tests.data.download.zip_server import zip_of
from tests.reliability_pieces import piece


def test_fetch_brings_folders_and_removes_zips(server, tmp_path):
    told = []
    fetch_isic2016(
        tmp_path / "isic", base_url=server.url.rstrip("/"), on_progress=lambda *said: told.append(said)
    )
    assert_complete(tmp_path / "isic")
    assert (f"downloading {TRAINING}.zip, MB", 1, 1) in told
    assert (f"verifying {TEST_MASKS}.zip", 1, 1) in told
    assert (f"unpacking {TRAINING}", 3, 3) in told


def test_fetch_records_digests(server, tmp_path):
    fetch_isic2016(tmp_path, base_url=server.url)
    record = json.loads((tmp_path / "fetched.json").read_text())
    assert "publishes none" in record["note"]
    content = server.files[f"{TEST}.zip"]
    assert record["zips"][f"{TEST}.zip"] == {
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "files": 2,
    }


def test_fetch_again_asks_the_network_nothing(server, tmp_path):
    fetch_isic2016(tmp_path, base_url=server.url)
    server.requests.clear()
    fetch_isic2016(tmp_path, base_url=server.url)
    assert server.requests == []


def test_fetch_brings_only_what_is_missing(server, tmp_path):
    fetch_isic2016(tmp_path, base_url=server.url)
    shutil.rmtree(tmp_path / TEST_MASKS)
    (tmp_path / TEST_MASKS).mkdir()  # an empty folder is as good as none
    server.requests.clear()
    fetch_isic2016(tmp_path, base_url=server.url)
    assert server.gets() == [(f"{TEST_MASKS}.zip", "")]
    assert_complete(tmp_path)


def test_fetch_takes_zips_placed_by_hand(server, tmp_path):
    for name, content in server.files.items():
        (tmp_path / name).write_bytes(content)
    fetch_isic2016(tmp_path, base_url=server.url)
    assert server.requests == []
    assert_complete(tmp_path)


def test_fetch_leaves_other_members_packed(server, tmp_path):
    extra = {
        f"{TEST}/LICENSE.txt": b"x",
        f"__MACOSX/{TEST}/._ISIC_0000000.jpg": b"x",
        f"{TEST}/.hidden.jpg": b"x",
    }
    server.files[f"{TEST}.zip"] = zip_of({**members(TEST, 2), **extra}, compression=zipfile.ZIP_DEFLATED)
    fetch_isic2016(tmp_path, base_url=server.url)
    assert_complete(tmp_path)


@pytest.mark.parametrize("lengths", [True, False])
def test_fetch_without_head_or_lengths(server, tmp_path, lengths):
    server.head, server.lengths, server.tag = False, lengths, ""
    fetch_isic2016(tmp_path, base_url=server.url)
    assert_complete(tmp_path)


# Zips that are not what they should be: nothing is unpacked, and what was downloaded is thrown away.


def linked(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def damaged() -> bytes:
    content = members(TRAINING, 3)
    return zip_of(content).replace(content[f"{TRAINING}/ISIC_0000001.jpg"][:50], b"x" * 50, 1)


BAD_ZIPS = {
    "a page": (b"<html>log in", r"not a valid zip file \(File is not a zip file\)"),
    "cut": (zip_of(members(TRAINING, 3))[:-30], "not a valid zip file"),
    "damaged": (damaged(), "ISIC_0000001.jpg' in it does not match its checksum"),
    "too few": (zip_of(members(TRAINING, 2)), r"holds 2 \.jpg files, the data set has 3"),
    "parent": (zip_of({"../../ISIC_0000000.jpg": b""}), "has a path outside the folder"),
    "parent for Windows": (zip_of({r"..\ISIC_0000000.jpg": b""}), "has a path outside the folder"),
    "absolute": (zip_of({"/tmp/ISIC_0000000.jpg": b""}), "has a path outside the folder"),
    "drive": (zip_of({"C:ISIC_0000000.jpg": b""}), "has a path outside the folder"),
    "link": (zip_of({linked("ISIC_0000000.jpg"): b"/etc/passwd"}), "is a link or another special file"),
    "name twice": (zip_of({"a/ISIC_1.jpg": b"", "b/isic_1.jpg": b""}), "two files of the name 'isic_1.jpg'"),
    "odd name": (zip_of({"a/b\n.jpg": b""}), r"a file of the name 'b\\n.jpg'"),
}


@pytest.mark.parametrize("kind", BAD_ZIPS)
def test_fetch_refuses_a_zip(server, tmp_path, kind):
    server.files[f"{TRAINING}.zip"], problem = BAD_ZIPS[kind]
    with pytest.raises(DataError, match=problem) as caught:
        fetch_isic2016(tmp_path / "isic", base_url=server.url)
    assert caught.value.problems[0].hint
    assert caught.value.problems[0].file.startswith(str(tmp_path / "isic" / f"{TRAINING}.zip"))
    left = {path.name for path in tmp_path.rglob("*")}
    assert left == {"isic"} | {f"{n}.zip.part{end}" for n in FOLDERS - {TRAINING} for end in ("", ".json")}


def test_fetch_leaves_a_bad_zip_placed_by_hand(server, tmp_path):
    (tmp_path / f"{TRAINING}.zip").write_bytes(b"not a zip")
    with pytest.raises(DataError, match="not a valid zip file"):
        fetch_isic2016(tmp_path, base_url=server.url)
    assert (tmp_path / f"{TRAINING}.zip").exists()


@pytest.mark.parametrize("bound", ["UNPACKED_BYTES", "MEMBERS"])
def test_fetch_refuses_a_bomb_before_it_reads_it(server, tmp_path, monkeypatch, bound):
    bomb = zip_of({f"ISIC_{i}.jpg": bytes(10**6) for i in range(3)}, compression=zipfile.ZIP_DEFLATED)
    server.files[f"{TRAINING}.zip"] = bomb
    monkeypatch.setattr(_unpack, bound, 2)
    monkeypatch.setattr(zipfile.ZipFile, "testzip", lambda self: pytest.fail("read"))
    with pytest.raises(DataError, match="would unpack to 3 files of 3000000 bytes"):
        fetch_isic2016(tmp_path, base_url=server.url)


def test_fetch_names_images_without_mask(server, tmp_path):
    wrong = {f"ISIC_{i:07}_Segmentation.png": b"" for i in (0, 1, 7)}
    server.files[f"{TRAINING_MASKS}.zip"] = zip_of(wrong)
    with pytest.raises(DataError, match=r"1 images have no mask: ISIC_0000002\.jpg"):
        fetch_isic2016(tmp_path, base_url=server.url)
    assert not any(path.is_dir() for path in tmp_path.iterdir())


def test_fetch_refuses_another_file_than_before(server, tmp_path):
    fetch_isic2016(tmp_path, base_url=server.url)
    shutil.rmtree(tmp_path / TEST)
    server.files[f"{TEST}.zip"] = zip_of(members(TEST, 2), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match=f"{TEST}.zip is not the file that was fetched before: SHA-256"):
        fetch_isic2016(tmp_path, base_url=server.url)
    (tmp_path / "fetched.json").unlink()
    fetch_isic2016(tmp_path, base_url=server.url)
    assert_complete(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"zips": []}', '{"zips": {"' + TRAINING + '.zip": 1}}'])
def test_fetch_names_a_record_it_cannot_read(server, tmp_path, text):
    (tmp_path / "fetched.json").write_text(text)
    with pytest.raises(DataError, match="record of digests cannot be read"):
        fetch_isic2016(tmp_path, base_url=server.url)


# The folder.


def test_fetch_leaves_a_folder_with_another_number_of_files(server, tmp_path):
    (tmp_path / TEST).mkdir()
    (tmp_path / TEST / "ISIC_0000000.jpg").write_bytes(b"mine")
    with pytest.raises(DataError, match=r"the folder holds 1 \.jpg files, the data set has 2"):
        fetch_isic2016(tmp_path, base_url=server.url)
    assert (tmp_path / TEST / "ISIC_0000000.jpg").read_bytes() == b"mine"
    assert server.requests == []


def test_fetch_asks_for_room_before_it_downloads(server, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: namedtuple("usage", "free")(1000))
    with pytest.raises(DataError, match=r"the data set needs 0\.00 GB more, 0\.00 GB are free"):
        fetch_isic2016(tmp_path, base_url=server.url)
    assert server.gets() == []


def test_fetch_interrupted_while_unpacking_leaves_no_half_folder(server, tmp_path, monkeypatch):
    def interrupt(label, done, total):
        if label == f"unpacking {TEST}" and done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_isic2016(tmp_path, base_url=server.url, on_progress=interrupt)
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {TRAINING, TRAINING_MASKS}
    (tmp_path / f".{TEST}.unpacking").mkdir()  # as a killed process would leave it
    server.requests.clear()
    fetch_isic2016(tmp_path, base_url=server.url)
    assert server.requests == []
    assert_complete(tmp_path)


def test_fetch_into_what_is_no_folder(server, tmp_path):
    (tmp_path / "isic").write_text("a file")
    with pytest.raises(DataError, match="cannot be written: File exists") as caught:
        fetch_isic2016(tmp_path / "isic", base_url=server.url)
    assert caught.value.problems[0].where == str(tmp_path / "isic")


def test_full_disk_keeps_what_was_fetched(server, tmp_path):
    """At every change that takes room; what follows one fails as well."""
    heard_before, said, number, done = piece("changes").heard_before, set(), 0, False
    while not done:
        to = tmp_path / str(number)
        left = number = number + 1

        def full(event, place):
            nonlocal left
            left -= event in ("open", "os.mkdir")
            if left <= 0 and event in ("open", "os.mkdir"):
                raise OSError(errno.ENOSPC, "No space left on device", place)

        with heard_before(tmp_path, full):
            try:
                fetch_isic2016(to, base_url=server.url)
                done = True
            except DataError as error:
                said.add(error.problems[0].problem)
        fetch_isic2016(to, base_url=server.url)
        assert_complete(to)
    assert number > 20
    assert said == {"the data cannot be written: No space left on device"}


def test_counts_are_those_of_the_challenge():
    assert fetch._COUNTS == {"Training": 900, "Test": 379}

"""Fetching ISIC 2016, from a server on this machine that serves small zips of the same layout."""

import errno
import hashlib
import io
import json
import shutil
import stat
import urllib.request
import zipfile
from collections import namedtuple
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from segkit.core.errors import DataError
from segkit.data.download import http as _download
from segkit.data.download import isic2016 as fetch
from segkit.data.download import unzip as _unpack
from segkit.data.download.isic2016 import fetch_isic2016
from tests.data.download.zip_server import ZipServer, serving, zip_of
from tests.reliability_pieces import piece

TRAINING = "ISBI2016_ISIC_Part1_Training_Data"
TRAINING_MASKS = "ISBI2016_ISIC_Part1_Training_GroundTruth"
TEST = "ISBI2016_ISIC_Part1_Test_Data"
TEST_MASKS = "ISBI2016_ISIC_Part1_Test_GroundTruth"
FOLDERS = {TRAINING, TRAINING_MASKS, TEST, TEST_MASKS}


def members(folder: str, count: int) -> dict[str, bytes]:
    ending = "_Segmentation.png" if folder.endswith("GroundTruth") else ".jpg"
    return {f"{folder}/ISIC_{i:07}{ending}": f"{folder} {i} ".encode() * 100 for i in range(count)}


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(fetch, "_COUNTS", {"Training": 3, "Test": 2})
    monkeypatch.setattr(_download, "_WAITS_SECONDS", (0.0, 0.0))
    monkeypatch.setenv("no_proxy", "*")
    counts = {TRAINING: 3, TRAINING_MASKS: 3, TEST: 2, TEST_MASKS: 2}
    with serving({f"{name}.zip": zip_of(members(name, count)) for name, count in counts.items()}) as served:
        yield served


def assert_complete(to: Path) -> None:
    assert {path.name for path in to.iterdir()} == FOLDERS | {"fetched.json"}
    assert sorted(path.name for path in (to / TRAINING).iterdir()) == [f"ISIC_{i:07}.jpg" for i in range(3)]
    assert [path.name for path in sorted((to / TEST_MASKS).iterdir())] == [
        "ISIC_0000000_Segmentation.png",
        "ISIC_0000001_Segmentation.png",
    ]
    assert (to / TEST / "ISIC_0000001.jpg").read_bytes() == f"{TEST} 1 ".encode() * 100


def begin(
    server: ZipServer, to: Path, *, size: int = 300, tag: str = '"one"', length: int | None = None
) -> None:
    """Leave the beginning of the first zip in the folder, as an interrupted fetch does."""
    content = server.files[f"{TRAINING}.zip"]
    part = to / f"{TRAINING}.zip.part"
    part.write_bytes(content[:size])
    state = {"tag": tag, "length": length or len(content)}
    _download.state_of(part).write_text(json.dumps(state))


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


# Resuming.


def test_fetch_goes_on_where_a_former_one_stopped(server, tmp_path):
    begin(server, tmp_path)
    fetch_isic2016(tmp_path, base_url=server.url)
    assert server.gets()[0] == (f"{TRAINING}.zip", "bytes=300-")
    assert [name for name, _ in server.gets()].count(f"{TRAINING}.zip") == 1
    assert_complete(tmp_path)


def test_fetch_asks_nothing_for_a_finished_part(server, tmp_path):
    begin(server, tmp_path, size=10**6)
    fetch_isic2016(tmp_path, base_url=server.url)
    assert f"{TRAINING}.zip" not in [name for name, _ in server.gets()]
    assert_complete(tmp_path)


@pytest.mark.parametrize("ranges", ["ignore", "refuse", "wrong"])
def test_fetch_begins_anew_where_the_server_cannot_resume(server, tmp_path, ranges):
    begin(server, tmp_path)
    server.ranges = ranges
    fetch_isic2016(tmp_path, base_url=server.url)
    assert_complete(tmp_path)


@pytest.mark.parametrize("former", [{"tag": '"other"'}, {"length": 12345}, {"length": 100}])
def test_fetch_begins_anew_when_the_remote_file_has_changed(server, tmp_path, former):
    begin(server, tmp_path, **former)
    part = tmp_path / f"{TRAINING}.zip.part"
    part.write_bytes(b"of the other file" * 20)
    fetch_isic2016(tmp_path, base_url=server.url)
    assert (f"{TRAINING}.zip", "") in server.gets()
    assert_complete(tmp_path)


@pytest.mark.parametrize("state", [None, "{", "[]", '{"tag": 1}'])
def test_fetch_begins_anew_when_nothing_is_known_of_the_part(server, tmp_path, state):
    begin(server, tmp_path)
    state_file = _download.state_of(tmp_path / f"{TRAINING}.zip.part")
    state_file.unlink() if state is None else state_file.write_text(state)
    fetch_isic2016(tmp_path, base_url=server.url)
    assert server.gets()[0] == (f"{TRAINING}.zip", "")
    assert_complete(tmp_path)


def test_fetch_survives_many_cuts_as_long_as_it_gets_on(server, tmp_path):
    server.cuts = [100] * 8
    fetch_isic2016(tmp_path, base_url=server.url)
    assert server.gets()[8] == (f"{TRAINING}.zip", "bytes=800-")
    assert_complete(tmp_path)


def test_fetch_gives_up_on_a_connection_that_is_always_cut(server, tmp_path):
    server.cuts, server.ranges = [100] * 9, "ignore"
    with pytest.raises(DataError, match=r"cannot be downloaded: the connection was cut"):
        fetch_isic2016(tmp_path, base_url=server.url)
    assert len(server.gets()) == 3
    assert (tmp_path / f"{TRAINING}.zip.part").stat().st_size == 100


@pytest.mark.parametrize(
    ("timeout", "drip", "reason"),
    [(0.2, 10, "timed out"), (30, 0.01, "the server sends less than 1000 bytes a second")],
)
def test_fetch_gives_up_on_a_server_that_sends_a_byte_now_and_then(
    server, tmp_path, monkeypatch, timeout, drip, reason
):
    waits: list[float] = []  # between attempts; ten seconds pass from one look at the clock to the next
    clock = SimpleNamespace(monotonic=count(step=10).__next__, sleep=waits.append)
    monkeypatch.setattr(_download, "time", clock)
    monkeypatch.setattr(_download, "_TIMEOUT_SECONDS", timeout)
    server.drip, server.files = drip, {name: zipped[:1000] for name, zipped in server.files.items()}
    with pytest.raises(DataError, match=f"cannot be downloaded: {reason}"):
        fetch_isic2016(tmp_path, base_url=server.url)
    assert waits == [0.0, 0.0]


@pytest.mark.parametrize("kind", ["ftp", "file", "data"])
def test_fetch_follows_no_redirect_to_another_kind_of_address(server, tmp_path, kind):
    server.redirect = {"ftp": "ftp://127.0.0.1/", "file": f"file://{tmp_path}/", "data": "data:,"}[kind]
    with pytest.raises(DataError, match=r"cannot be downloaded: .*[Rr]edirect") as caught:
        fetch_isic2016(tmp_path, base_url=server.url)
    assert kind in str(caught.value)


def test_fetch_follows_a_redirect_to_another_server(server, tmp_path):
    with serving(server.files) as other:
        server.redirect = other.url
        fetch_isic2016(tmp_path, base_url=server.url)
        assert len(other.gets()) == 4
    assert_complete(tmp_path)


def test_no_redirect_leads_from_https_to_http():
    request, redirects = urllib.request.Request("https://example.org/a"), _download._Redirects()
    with pytest.raises(ValueError, match=r"redirects from https to http://example\.org/b, which is not"):
        redirects.redirect_request(request, io.BytesIO(), 302, "", {}, "http://example.org/b")
    assert redirects.redirect_request(request, io.BytesIO(), 302, "", {}, "https://example.org/b")


def test_fetch_waits_for_a_busy_server(server, tmp_path):
    server.statuses = [503, 429]
    fetch_isic2016(tmp_path, base_url=server.url)
    assert_complete(tmp_path)


# Servers that refuse, and no network at all.


@pytest.mark.parametrize(("status", "name"), [(403, "Forbidden"), (404, "Not Found"), (416, "")])
def test_fetch_names_the_url_that_is_refused(server, tmp_path, status, name):
    server.statuses = [status]
    with pytest.raises(DataError, match=f"the server answers {status} {name}") as caught:
        fetch_isic2016(tmp_path, base_url=server.url)
    assert caught.value.problems[0].where == f"{server.url}{TRAINING}.zip"
    assert len(server.gets()) == 1


def test_fetch_without_network_says_what_to_download_by_hand(server, tmp_path):
    (tmp_path / f"{TRAINING}.zip").write_bytes(server.files[f"{TRAINING}.zip"])
    with pytest.raises(DataError, match="the data set cannot be downloaded: Connection refused") as caught:
        fetch_isic2016(tmp_path, base_url="http://127.0.0.1:9/")
    hint = caught.value.problems[0].hint
    assert f"download {TRAINING_MASKS}.zip, {TEST}.zip, {TEST_MASKS}.zip by hand" in hint
    assert f"put them into {tmp_path}" in hint


@pytest.mark.parametrize("base_url", ["nowhere", "file:///tmp/", "ftp://127.0.0.1/"])
def test_fetch_from_what_is_no_address(server, tmp_path, base_url):
    with pytest.raises(DataError, match="cannot be downloaded: unknown url type"):
        fetch_isic2016(tmp_path, base_url=base_url)


def test_fetch_bounds_what_a_server_may_send(server, tmp_path, monkeypatch):
    monkeypatch.setattr(_download, "MAX_BYTES", 1000)
    with pytest.raises(DataError, match=r"the server announces \d+ bytes, more than the limit of 1000"):
        fetch_isic2016(tmp_path, base_url=server.url)
    server.lengths = False
    with pytest.raises(DataError, match="the server sends more than 1000 bytes"):
        fetch_isic2016(tmp_path, base_url=server.url)


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

"""Downloads that go on, begin anew, or are given up: connections are cut, servers refuse."""

import io
import json
import urllib.request
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from segkit.core.errors import DataError
from segkit.data.download import http as _download
from segkit.data.download.isic2016 import fetch_isic2016
from tests.data.download.conftest import TEST, TEST_MASKS, TRAINING, TRAINING_MASKS, assert_complete
from tests.data.download.zip_server import ZipServer, serving


def begin(
    server: ZipServer, to: Path, *, size: int = 300, tag: str = '"one"', length: int | None = None
) -> None:
    """Leave the beginning of the first zip in the folder, as an interrupted fetch does."""
    content = server.files[f"{TRAINING}.zip"]
    part = to / f"{TRAINING}.zip.part"
    part.write_bytes(content[:size])
    state = {"tag": tag, "length": length or len(content)}
    _download.state_of(part).write_text(json.dumps(state))


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

"""Resumable HTTP download, with the standard library only."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

MAX_BYTES = 4 << 30  # far above every file that segkit downloads

_CHUNK_BYTES = 1 << 18
_TIMEOUT_SECONDS = 30
_WAITS_SECONDS = (0.5, 2.0, 5.0)
_MIN_BYTES_PER_SECOND = 1000  # a slower server counts as one that does not answer
_PATIENCE_SECONDS = 30.0  # in which it may be slower
_BUSY = (408, 425, 429)  # and 5xx: worth a retry


class DownloadError(Exception):
    """The file cannot be downloaded."""


def download(url: str, part: Path, on_progress: Callable[[int, int], None]) -> None:
    """Download a file; resumes `part` if ETag (or date) and length of the remote file are unchanged.

    They are stored in `state_of(part)`. After a lost connection the download resumes, a few times without
    progress.

    Args:
        url: http or https address.
        part: file to write; complete on return.
        on_progress: callback of (done, total) bytes.

    Raises:
        DownloadError: if the server refuses, does not answer, sends too slowly or too much, or redirects to
            another kind of address.
        OSError: if `part` cannot be written.
    """
    waits = iter(_WAITS_SECONDS)
    while True:
        size, started = _size(part), time.monotonic()
        try:
            return _download_once(url, part, on_progress)
        except _Cut as cut:
            if _size(part) - size > _MIN_BYTES_PER_SECOND * (time.monotonic() - started):
                waits = iter(_WAITS_SECONDS)
            wait = next(waits, None)
            if wait is None:
                raise DownloadError(str(cut)) from cut
        time.sleep(wait)


def state_of(part: Path) -> Path:
    """File with ETag and length of the remote file of `part`."""
    return part.with_name(f"{part.name}.json")


def remote_bytes(url: str) -> int | None:
    """Size of a remote file; None if the server does not report it."""
    try:
        with open_url(url, _TIMEOUT_SECONDS / 3, headers=_headers(0), method="HEAD") as response:
            return _Remote.of(response).length
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        return None  # not every server supports HEAD; other errors show in the download


def open_url(
    url: str, timeout: float, *, headers: Mapping[str, str] | None = None, method: str = "GET"
) -> http.client.HTTPResponse:
    """Open an address. Redirects are followed to https only, from http also to http.

    Raises:
        OSError: or `http.client.HTTPException`, if the server does not answer for `timeout` seconds, or
            with an error.
        ValueError: if `url` or a redirect is another kind of address.
    """
    request = urllib.request.Request(url, headers=dict(headers or {}), method=method)
    if request.type not in ("http", "https"):
        raise ValueError(f"unknown url type: {url!r}")
    return urllib.request.build_opener(_Redirects).open(request, timeout=timeout)  # type: ignore[no-any-return]


def read_chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The body of a response, as it comes.

    Raises:
        OSError: or `http.client.HTTPException`, if the connection is cut.
        TimeoutError: if the server sends too slowly.
    """
    received, started = 0, time.monotonic()
    while chunk := response.read1(_CHUNK_BYTES):
        yield chunk
        received += len(chunk)
        seconds = time.monotonic() - started
        if seconds > _PATIENCE_SECONDS:
            if received < _MIN_BYTES_PER_SECOND * seconds:
                raise TimeoutError(f"the server sends less than {_MIN_BYTES_PER_SECOND} bytes a second")
            received, started = 0, time.monotonic()


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme not in ("https", req.type):
            fp.close()
            raise ValueError(f"the server redirects from {req.type} to {newurl}, which is not followed")
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request and req.get_method() == "HEAD":  # before Python 3.13 it would become a GET
            request.method = "HEAD"
        return request


class _Cut(Exception):
    """Temporary connection error."""


@dataclass(frozen=True)
class _Remote:
    tag: str
    length: int | None

    @classmethod
    def of(cls, response: http.client.HTTPResponse) -> _Remote:
        headers = response.headers
        if response.status == 206:
            length = headers.get("Content-Range", "").rpartition("/")[2]
        else:
            length = headers.get("Content-Length", "")
        tag = headers.get("ETag") or headers.get("Last-Modified") or ""
        return cls(tag, int(length) if re.fullmatch(r"\d{1,18}", length, re.ASCII) else None)


def _download_once(url: str, part: Path, on_progress: Callable[[int, int], None]) -> None:
    before, size = _state(part), _size(part)
    if before and size == before.length:
        return
    response, done = _open_at(url, before, size)
    with response:
        remote = _Remote.of(response)
        limit = MAX_BYTES if remote.length is None else remote.length
        if limit > MAX_BYTES:
            raise DownloadError(f"the server announces {limit} bytes, more than the limit of {MAX_BYTES}")
        if not done:
            part.unlink(missing_ok=True)  # first: the state must never belong to another file
            state_of(part).write_text(json.dumps(asdict(remote)), encoding="utf-8")
        with part.open("ab") as file:
            for chunk in _chunks(response):
                done += len(chunk)
                if done > limit:
                    raise DownloadError(f"the server sends more than {limit} bytes")
                file.write(chunk)
                on_progress(done, remote.length or 0)
    if remote.length is not None and done < remote.length:
        raise _Cut(f"the connection was cut after {done} of {remote.length} bytes")


def _open_at(url: str, before: _Remote | None, size: int) -> tuple[http.client.HTTPResponse, int]:
    """Response and the offset of its body: `size` if the download can resume, else 0."""
    if before and size:
        response = _open(url, size)
        if response is not None and response.status == 200:  # the server does not support ranges
            return response, 0
        if response is not None:
            is_rest = response.headers.get("Content-Range", "").startswith(f"bytes {size}-")
            if response.status == 206 and is_rest and _Remote.of(response) == before:
                return response, size
            response.close()
    response = _open(url, 0)
    if response is None or response.status != 200:
        status = "416" if response is None else response.status
        raise DownloadError(f"the server answers {status} to a plain request")
    return response, 0


def _open(url: str, offset: int) -> http.client.HTTPResponse | None:  # None: nothing at this offset
    try:
        return open_url(url, _TIMEOUT_SECONDS, headers=_headers(offset))
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:
            return None
        problem = f"the server answers {error.code} {error.reason}".rstrip()
        raise (_Cut if error.code in _BUSY or error.code >= 500 else DownloadError)(problem) from error
    except (OSError, http.client.HTTPException) as error:
        permanent = isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError)
        raise (DownloadError if permanent else _Cut)(_reason(error)) from error
    except ValueError as error:
        raise DownloadError(str(error)) from error


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    try:
        yield from read_chunks(response)
    except http.client.IncompleteRead as error:
        raise _Cut("the connection was cut") from error
    except (OSError, http.client.HTTPException) as error:
        raise _Cut(_reason(error)) from error


def _headers(offset: int) -> dict[str, str]:
    headers = {"User-Agent": "segkit", "Accept-Encoding": "identity"}  # offsets refer to uncompressed bytes
    return {**headers, "Range": f"bytes={offset}-"} if offset else headers


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    return getattr(reason, "strerror", None) or str(reason) or type(error).__name__


def _state(part: Path) -> _Remote | None:
    try:
        return _Remote(**json.loads(state_of(part).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0

"""A small server of zips on 127.0.0.1 that can misbehave in the ways servers and networks do."""

import io
import threading
import zipfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class ZipServer:
    """What is served, how, and what was asked for.

    Args:
        files: by name.
        tag: the ETag of all files; none is sent where it is empty.
        ranges: what the server does with a Range: "yes", "ignore", "refuse" (416), "wrong" (other offset).
        head: whether HEAD is allowed.
        lengths: whether Content-Length is sent.
        cuts: the number of bytes after which the next responses break off.
        drip: seconds before each byte of a body, as long as the server runs.
        redirect: where all requests are sent instead; nowhere if empty.
        statuses: what the next GETs are answered with.
        requests: (method, name, Range) of every request.
    """

    files: dict[str, bytes]
    tag: str = '"one"'
    ranges: str = "yes"
    head: bool = True
    lengths: bool = True
    cuts: list[int] = field(default_factory=list)
    drip: float = 0.0
    redirect: str = ""
    statuses: list[int] = field(default_factory=list)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    url: str = ""
    closed: threading.Event = field(default_factory=threading.Event)

    def gets(self) -> list[tuple[str, str]]:
        """Name and Range of every GET."""
        return [(name, wanted) for method, name, wanted in self.requests if method == "GET"]


@contextmanager
def serving(files: dict[str, bytes]):
    """A running server."""
    served = ZipServer(files)

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            answer(self, served)

        def do_GET(self):
            answer(self, served)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        served.closed.set()
        server.shutdown()
        server.server_close()
        thread.join()


def answer(request: BaseHTTPRequestHandler, served: ZipServer) -> None:
    name, wanted = request.path.lstrip("/"), request.headers.get("Range", "")
    served.requests.append((request.command, name, wanted))
    is_get = request.command == "GET"
    if served.redirect:
        request.send_response(302)
        request.send_header("Location", served.redirect + name)
        request.send_header("Content-Length", "0")
        return request.end_headers()
    if is_get and served.statuses:
        return finish(request, served.statuses.pop(0))
    if name not in served.files or (not is_get and not served.head):
        return finish(request, 404 if is_get else 405)
    body = served.files[name]
    offset = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
    if wanted and (served.ranges == "refuse" or offset >= len(body)):
        return finish(request, 416)
    resumed = wanted and served.ranges != "ignore"
    if served.ranges == "wrong":
        offset = max(offset - 1, 0)
    request.send_response(206 if resumed else 200)
    if served.tag:
        request.send_header("ETag", served.tag)
    if resumed:
        request.send_header("Content-Range", f"bytes {offset}-{len(body) - 1}/{len(body)}")
        body = body[offset:]
    if served.lengths:
        request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    if is_get and served.drip:
        with suppress(OSError):  # the client has gone
            for byte in body:
                if served.closed.wait(served.drip):
                    break
                request.wfile.write(bytes([byte]))
    elif is_get:
        request.wfile.write(body[: served.cuts.pop(0)] if served.cuts else body)
    return None


def finish(request: BaseHTTPRequestHandler, status: int) -> None:
    request.send_response(status)
    request.send_header("Content-Length", "0")
    request.end_headers()


def zip_of(members: dict[str, bytes], *, compression: int = zipfile.ZIP_STORED) -> bytes:
    """A zip with these members."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()

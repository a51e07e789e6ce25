"""A headless Chromium for tests, driven over the pipe of its DevTools protocol."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

FOUND = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SWITCHES = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-renderer-backgrounding",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # nothing on the network has an address
    "--remote-debugging-pipe",
)
PATIENCE = 60  # seconds for one answer
KEYS = {"Enter": (13, "\r"), "Tab": (9, ""), "ArrowLeft": (37, ""), "ArrowRight": (39, ""), " ": (32, " ")}


class Browser:
    """One running Chromium; close it."""

    def __init__(self) -> None:
        assert FOUND is not None
        self._profile = tempfile.mkdtemp(prefix="chromium-")
        ours_in, theirs_out = _pipe()
        theirs_in, ours_out = _pipe()
        inherited = [(os.POSIX_SPAWN_DUP2, theirs_in, 3), (os.POSIX_SPAWN_DUP2, theirs_out, 4)]
        silence = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (1, 2)]
        self._process = os.posix_spawn(
            FOUND,
            [FOUND, *SWITCHES, f"--user-data-dir={self._profile}", "about:blank"],
            os.environ,
            file_actions=[*inherited, *silence],
            setpgroup=0,
        )
        for end in (theirs_in, theirs_out):
            os.close(end)
        self._in, self._out = ours_in, ours_out
        self._waiting, self._number = b"", 0
        self.events: list[dict[str, Any]] = []

    def open(self, path: Path, *, width: int = 1280, height: int = 900) -> Page:
        """A page that has loaded."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        page = Page(self, self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        page.resize(width, height)
        page.call("Page.navigate", url=path.as_uri())
        self.wait_for(page.session, "Page.loadEventFired")
        page.run(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )  # laid out
        return page

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol, and wait for its answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        content = json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0"
        while content:
            content = content[os.write(self._out, content) :]
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def wait_for(self, session: str, method: str) -> None:
        """Wait for an event of a page."""
        while not any(e.get("sessionId") == session and e.get("method") == method for e in self.events):
            self.events.append(self._read())

    def close(self) -> None:
        """End it, and leave nothing behind."""
        for end in (self._in, self._out):
            os.close(end)
        os.killpg(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        for _ in range(50):  # its children still write while they die
            shutil.rmtree(self._profile, ignore_errors=True)
            if not Path(self._profile).exists():
                return
            time.sleep(0.1)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._waiting:
            ready, _, _ = select.select([self._in], [], [], PATIENCE)
            content = os.read(self._in, 1 << 20) if ready else b""
            if not content:
                raise RuntimeError("chromium does not answer")
            self._waiting += content
        message, _, self._waiting = self._waiting.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer


class Page:
    """A page, as its reader uses it."""

    def __init__(self, browser: Browser, session: str) -> None:
        self.browser = browser
        self.session = session

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol on this page."""
        return self.browser.call(method, self.session, **parameters)

    def run(self, script: str) -> Any:
        """The value of an expression, awaited."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def settle(self) -> None:
        """Wait until everything is laid out and painted."""
        self.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def click(self, selector: str) -> None:
        """Click the middle of an element with the mouse."""
        find = f"document.querySelector({json.dumps(selector)})"
        self.run(f"{find}.scrollIntoView({{block: 'center'}})")
        x, y = self.run(f"(r => [r.x + r.width / 2, r.y + r.height / 2])({find}.getBoundingClientRect())")
        self.click_at(x, y)

    def click_at(self, x: float, y: float) -> None:
        """Click a point of the window."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self.settle()  # Chart.js takes an event up in the next frame

    def press(self, key: str, times: int = 1) -> None:
        """Press a key on what has the focus."""
        code, text = KEYS[key]
        for _ in range(times):
            for kind in ("keyDown", "keyUp"):
                self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, text=text)

    def choose(self, id: str, value: str) -> None:
        """Choose an option, or type into a field."""
        find = f"document.getElementById({json.dumps(id)})"
        self.run(f"{find}.value = {json.dumps(value)}")
        for kind in ("input", "change"):
            self.run(f"{find}.dispatchEvent(new Event('{kind}', {{bubbles: true}}))")

    def resize(self, width: int, height: int) -> None:
        """Give the page another window."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def scheme(self, name: str, media: str = "") -> None:
        """Prefer "light" or "dark"; or be a printer."""
        feature = {"name": "prefers-color-scheme", "value": name}
        self.call("Emulation.setEmulatedMedia", media=media, features=[feature])

    def picture(self, path: Path, *, whole: bool = True) -> None:
        """Save what it looks like."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    @property
    def complaints(self) -> list[str]:
        """Errors and warnings of the console, and exceptions."""
        found = []
        for event in self._events:
            told = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                found.append(json.dumps(told["exceptionDetails"]))
            if event["method"] == "Runtime.consoleAPICalled" and told["type"] in (
                "error",
                "warning",
                "assert",
            ):
                found.append(json.dumps(told["args"]))
            if event["method"] == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
                found.append(told["entry"]["text"])
        return found

    @property
    def requests(self) -> list[str]:
        """Addresses that it asked for."""
        asked = [event for event in self._events if event["method"] == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in asked]

    @property
    def _events(self) -> list[dict[str, Any]]:
        return [event for event in self.browser.events if event.get("sessionId") == self.session]


def _pipe() -> tuple[int, int]:
    """Both ends under numbers that the browser's own, 3 and 4, do not overwrite."""
    import fcntl

    low = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in low]
    for end in low:
        os.close(end)
    return high[0], high[1]

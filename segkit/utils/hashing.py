"""SHA-256 of files, cached by size and times."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, islice
from pathlib import Path

from segkit.utils.atomic import write_text

FOLDER = "digests"
_RACY_NS = 2_000_000_000  # the coarsest clock of a file system in use: FAT's
_AT_ONCE = 4096  # limits the memory of queued calls
_ENTRY = re.compile(r"\d+ -?\d+ -?\d+ \d+ \d+ [0-9a-f]{64}")


class FileDigests:
    """SHA-256 of files, cached in one JSON file per folder.

    A cached digest is used if path, size, inode and times of the file are unchanged and were at least two
    seconds old when it was computed: a file written twice within one tick of the file system clock keeps its
    times (git calls such entries racily clean). An unreadable or unwritable cache is ignored.

    Args:
        folder: cache folder; None caches nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def of(self, files: Iterable[Path]) -> dict[Path, bytes]:
        """SHA-256 by file; unreadable files are left out."""
        ordered = sorted(set(files), key=lambda file: (os.fspath(file.parent), file.name))
        digests: dict[Path, bytes] = {}
        with ThreadPoolExecutor() as pool:  # hashlib releases the GIL
            for parent, together in groupby(ordered, key=lambda file: file.parent):
                cached = self._read(parent)
                new: dict[str, str] = {}
                while batch := list(islice(together, _AT_ONCE)):
                    found = {file: self._cached(file, cached.get(file.name, "")) for file in batch}
                    unknown = [file for file, digest in found.items() if digest is None]
                    for file, entry in zip(unknown, pool.map(self._entry, unknown), strict=True):
                        if entry:
                            new[file.name] = entry
                            found[file] = _digest(entry)
                    digests |= {file: digest for file, digest in found.items() if digest}
                if new:
                    self._write(parent, cached | new)
        return digests

    def _cached(self, file: Path, entry: str) -> bytes | None:
        """The digest in a cache entry, if the file has not changed since."""
        try:
            stamp = _stamp(file)
        except OSError:
            return None
        if not entry.startswith(f"{stamp} "):
            return None
        _, modified, changed, _, hashed, _ = entry.split(" ")
        return _digest(entry) if max(int(modified), int(changed)) + _RACY_NS < int(hashed) else None

    def _entry(self, file: Path) -> str | None:
        """The cache entry of a file: its stamp, when it was hashed, and its digest."""
        now = time.time_ns()
        try:
            stamp = _stamp(file)
            digest = file_digest(file)
        except OSError:
            return None
        return f"{stamp} {now} {digest.hex()}"

    def _read(self, parent: Path) -> dict[str, str]:
        """Cache entries by file name."""
        try:
            known = json.loads(self._cache_file(parent).read_bytes()) if self._folder else {"files": {}}
            return {name: entry for name, entry in known["files"].items() if _ENTRY.fullmatch(entry)}
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return {}

    def _write(self, parent: Path, cached: dict[str, str]) -> None:
        if self._folder is None:
            return
        place = self._cache_file(parent)
        there = {entry.name for entry in os.scandir(parent)}
        files = {name: entry for name, entry in cached.items() if name in there}
        with contextlib.suppress(OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            write_text(place, json.dumps({"folder": str(parent), "files": files}))

    def _cache_file(self, parent: Path) -> Path:
        assert self._folder is not None
        name = hashlib.sha256(os.fsencode(parent.absolute())).hexdigest()[:32]
        return self._folder / FOLDER / f"{name}.json"


def file_digest(file: Path) -> bytes:
    """SHA-256 of a file.

    Raises:
        OSError: if it cannot be read.
    """
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").digest()


def _stamp(file: Path) -> str:
    """Size, times and inode. Unlike the modification time, the change time cannot be set back."""
    status = file.stat()
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"


def _digest(entry: str) -> bytes:
    return bytes.fromhex(entry[-64:])

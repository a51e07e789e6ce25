"""SHA-256 of files, remembered by size and times, so that no run reads again what has not changed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, islice
from pathlib import Path
from typing import Any

FOLDER = "digests"
_RACY_NS = 2_000_000_000  # the coarsest clock of a file system in use: FAT's
_AT_ONCE = 4096  # bounds the memory that waiting calls take

Stamp = tuple[int, int, int, int]


class FileDigests:
    """Digests of files, kept in one small file for each folder that they lie in.

    A digest is taken from there if path, size, inode and times of the file are what they were, and were older
    than two seconds when it was computed: a file that is written twice within one tick of its file system's
    clock keeps its times (git calls such entries racily clean). What cannot be read or written is as good as
    not there.

    Args:
        folder: where to keep them; None remembers nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._stamps: dict[Path, Stamp] = {}

    def of(self, files: Iterable[Path]) -> dict[Path, str]:
        """SHA-256, in hexadecimal, by file; those that cannot be read are left out."""
        ordered = sorted(set(files), key=lambda file: (os.fspath(file.parent), file.name))
        digests: dict[Path, str] = {}
        with ThreadPoolExecutor() as pool:  # hashing leaves other threads free
            for parent, together in groupby(ordered, key=lambda file: file.parent):
                memory = self._read(parent)
                before = dict(memory)
                while some := list(islice(together, _AT_ONCE)):
                    found = pool.map(self._digest, some, [memory.get(file.name) for file in some])
                    for file, entry in zip(some, found, strict=True):
                        if entry:
                            memory[file.name] = entry
                            digests[file] = entry[-1]
                if memory != before:
                    self._write(parent, memory)
        return digests

    def unchanged(self, file: Path) -> bool:
        """Whether a file is still the one whose digest was asked for."""
        try:
            return self._stamps.get(file) == _stamp(file.stat())
        except OSError:
            return False

    def _digest(self, file: Path, entry: list[Any] | None) -> list[Any] | None:
        """The entry of a file: the one there is, or a new one."""
        now = time.time_ns()
        try:
            self._stamps[file] = stamp = _stamp(file.stat())
            if entry and tuple(entry[:4]) == stamp and max(stamp[1:3]) + _RACY_NS < entry[4]:
                return entry
            with file.open("rb") as opened:
                return [*stamp, now, hashlib.file_digest(opened, "sha256").hexdigest()]
        except OSError:
            return None

    def _read(self, parent: Path) -> dict[str, list[Any]]:
        """Entries by the name of a file: size, times of change in ns, inode, when it was hashed, digest."""
        try:
            known = json.loads(self._place(parent).read_bytes()) if self._folder else {}
            good = {name: entry for name, entry in known["files"].items() if len(entry) == 6}
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return {}
        return good

    def _write(self, parent: Path, memory: dict[str, list[Any]]) -> None:
        if self._folder is None:
            return
        place = self._place(parent)
        there = {entry.name for entry in os.scandir(parent)}
        files = {name: entry for name, entry in memory.items() if name in there}
        with contextlib.suppress(OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            with replaced(place) as temporary:
                temporary.write_text(json.dumps({"folder": str(parent), "files": files}), encoding="utf-8")

    def _place(self, parent: Path) -> Path:
        assert self._folder is not None
        name = hashlib.sha256(os.fsencode(parent.absolute())).hexdigest()[:32]
        return self._folder / FOLDER / f"{name}.json"


@contextlib.contextmanager
def replaced(file: Path) -> Iterator[Path]:
    """A file to write beside another, whose place it takes in the end: readers see the one or the other."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        yield temporary
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def _stamp(status: os.stat_result) -> Stamp:
    """What changes with a file's content. The time of its last change of status cannot be set back."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino

"""The cache of decoded images: what one run has decoded, no other run decodes again.

A folder for each preprocessing (all that decides pixels beside the bytes of the files), in it packs. A row
is found by the SHA-256 of the files it was decoded from: what is renamed, split otherwise or used by another
recipe is still found, and what has changed is not.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segkit.core.types import Pixels, Sample
from segkit.data.cache.array_view import Rows
from segkit.data.cache.pack_file import (
    ENDING,
    UNFINISHED,
    CannotWrite,
    Damaged,
    Layout,
    Pack,
    PackWriter,
    pixel_digest,
    read_index,
    told,
)
from segkit.utils.atomic import replaced
from segkit.utils.hashing import FileDigests, file_digest
from segkit.utils.locks import locked

ABOUT, LOCK = "about.json", "lock"
PACK_BYTES = 1 << 30  # what a build that is killed can lose at most
DAY_SECONDS = 86_400


class Cache:
    """The packs of one preprocessing.

    Args:
        root: of all caches.
        layout: of a row.
        about: everything that decides pixels beside the bytes of files, as plain data; names the folder.
    """

    def __init__(self, root: Path, layout: Layout, about: Mapping[str, Any]) -> None:
        self.layout = layout
        self._about = json.dumps(about, indent=1, sort_keys=True, default=str)
        self.folder = root / hashlib.sha256(self._about.encode()).hexdigest()[:32]
        self._files = FileDigests(root)
        self._packs: list[Pack] = []
        self._entries: list[npt.NDArray[Any]] = []
        self._rows: dict[bytes, int] = {}  # counted through all packs
        self.refresh()
        with contextlib.suppress(OSError):
            os.utime(self.folder / ABOUT)  # when it was last used

    def refresh(self) -> None:
        """Look for packs that have come since; those that are damaged are dropped."""
        known = {pack.path for pack in self._packs}
        for path in sorted(self.folder.glob(f"*{ENDING}")):
            if path in known:
                continue
            try:
                entries = read_index(path, self.layout)
            except Damaged:
                with contextlib.suppress(OSError):
                    path.unlink()
                continue
            except OSError:
                continue
            first = sum(map(len, self._entries))
            self._packs.append(Pack(path, self.layout))
            self._entries.append(entries)
            keys = entries["key"].tobytes()
            self._rows |= {keys[32 * row : 32 * row + 32]: first + row for row in range(len(entries))}

    def keys(self, samples: Sequence[Sample]) -> list[bytes | None]:
        """What the rows of samples are found by: SHA-256 over the digests of their files.

        None for those that are not kept: nothing is known to decide their pixels, or a file cannot be read.
        """
        kept = [sample for sample in samples if sample.variant is not None]
        digests = self._files.of(file for sample in kept for file in sample.files)
        return [_key(sample, digests) for sample in samples]

    def is_key(self, key: bytes | None, sample: Sample) -> bool:
        """Whether a key is still that of a sample, by the bytes of its files: they are read once more."""
        try:
            return key == _key(sample, {file: file_digest(file) for file in sample.files})
        except OSError:
            return False

    def places(self, keys: Sequence[bytes | None]) -> npt.NDArray[np.int64]:
        """(N,): where the rows of these keys are, for `rows`; -1 for those that are not there."""
        return np.array([-1 if key is None else self._rows.get(key, -1) for key in keys], np.int64)

    def rows(
        self, places: npt.NDArray[np.int64], images: Pixels, masks: Pixels
    ) -> tuple[Rows, Rows, npt.NDArray[Any]]:
        """Images, masks, and the digest (N,) of 32 bytes of each row.

        Args:
            places: (N,), as `places` gives them.
            images: those of place -1, in their order.
            masks: likewise.
        """
        starts = np.cumsum([0, *map(len, self._entries)])
        block = np.searchsorted(starts, places, side="right") - 1
        row = places - starts[block]
        here = places < 0
        block[here], row[here] = len(self._packs), np.arange(here.sum())
        digests = np.zeros(len(places), self._entries[0]["digest"].dtype)
        for number, entries in enumerate(self._entries):
            inside = block == number
            if inside.any():
                self._packs[number].open()  # now, so that clearing the cache does not reach this process
                digests[inside] = entries["digest"][row[inside]]
        digests[here] = [np.void(pixel_digest(*pair)) for pair in zip(images, masks, strict=True)]
        return (
            Rows([*(pack.images for pack in self._packs), images], self.layout.image, block, row),
            Rows([*(pack.masks for pack in self._packs), masks], self.layout.mask, block, row),
            digests,
        )

    @contextlib.contextmanager
    def adding(self) -> Iterator[Adding]:
        """Decode what is missing: one process at a time, as two would decode the same.

        A second builder waits, and then finds what the first one has added. The lock is the system's, which
        takes it from a process that dies. Where there are no locks both build, and both packs are right.

        Raises:
            CannotWrite: if the folder cannot be written to; what was added before stays.
        """
        with contextlib.ExitStack() as stack:
            with told():
                alone = stack.enter_context(locked(self.folder / LOCK))
                self._say_what_it_is()
            clear_unfinished(self.folder, alone=alone is True)
            self.refresh()
            adding = Adding(self.folder, self.layout)
            try:
                yield adding
            except CannotWrite:
                adding.discard()
                raise
            except BaseException:  # an interrupt, mostly: what is decoded is kept
                with contextlib.suppress(CannotWrite):
                    adding.finish()
                raise
            adding.finish()
            self.refresh()

    def _say_what_it_is(self) -> None:
        about = self.folder / ABOUT
        if not about.exists():
            with replaced(about) as temporary:
                temporary.write_text(self._about, encoding="utf-8")


def _key(sample: Sample, digests: Mapping[Path, bytes]) -> bytes | None:
    found = [digests[file] for file in sample.files if file in digests]
    if sample.variant is None or not found or len(found) < len(sample.files):
        return None
    return hashlib.sha256(b"".join([*found, sample.variant.encode()])).digest()


def clear_unfinished(folder: Path, *, alone: bool) -> None:
    """Remove what dead builders have left.

    Args:
        folder: of a preprocessing.
        alone: whether its lock is held, so that no builder lives; else only what is a day old goes.
    """
    for file in folder.glob(f"*{UNFINISHED}"):
        with contextlib.suppress(OSError):
            if alone or time.time() - file.stat().st_mtime > DAY_SECONDS:
                file.unlink()


class Adding:
    """Rows that are being added to a cache, by any number of threads.

    Args:
        folder: of the packs.
        layout: of a row.
    """

    def __init__(self, folder: Path, layout: Layout) -> None:
        self._folder = folder
        self._layout = layout
        self._lock = threading.Lock()
        self._writer: PackWriter | None = None

    def add(self, key: bytes, image: Pixels, mask: Pixels) -> None:
        """Add a row; it is safe once its pack is full, or all is done.

        Raises:
            CannotWrite: on a full disk, say.
        """
        pixels = image.tobytes() + mask.tobytes()
        digest = hashlib.sha256(pixels).digest()
        with self._lock:
            if self._writer is None:
                self._writer = PackWriter(self._folder, self._layout)
            self._writer.add(key, pixels, digest)
            if self._writer.size >= PACK_BYTES:
                self._writer.finish()
                self._writer = None

    def finish(self) -> None:
        """Put the last pack in its place."""
        if self._writer:
            self._writer.finish()

    def discard(self) -> None:
        """Take back the pack that is not finished."""
        if self._writer:
            self._writer.discard()

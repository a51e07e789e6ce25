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
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segkit.core.errors import DataError
from segkit.core.types import Sample
from segkit.data.cache.array_view import IndexedArrays
from segkit.data.cache.cache_writer import CacheWriter
from segkit.data.cache.errors import CannotWrite, Damaged, as_write_error
from segkit.data.cache.pack_file import ENDING, UNFINISHED, Layout, Pack, pixel_digest, read_index
from segkit.data.decoding import Count, Decode, Decoded, Problems, decode_in_memory, run_in_threads
from segkit.utils.atomic import atomic_write
from segkit.utils.hashing import FileDigests, file_digest
from segkit.utils.locks import locked

ABOUT, LOCK = "about.json", "lock"
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
        self._refresh()
        with contextlib.suppress(OSError):
            os.utime(self.folder / ABOUT)  # when it was last used

    def get_or_decode(self, samples: Sequence[Sample], decode: Decode, on_progress: Count) -> Decoded:
        """The images and masks of samples; those that are not here are decoded, and added.

        Where the cache cannot be written to, they are held in memory, and a warning says so.

        Args:
            samples: in order.
            decode: a sample -> its image and mask.
            on_progress: callback of (label, done, total).

        Raises:
            DataError: with every file that is at fault, up to the first fifty problems.
        """
        keys = self._keys(samples)
        problems: Problems = {}
        warnings: tuple[str, ...] = ()
        try:
            problems = self._add_missing(samples, keys, decode, on_progress)
        except CannotWrite as error:
            warnings = (self._not_cached(error),)
            self._refresh()
        places = np.array([-1 if key is None else self._rows.get(key, -1) for key in keys], np.int64)
        left = [index for index in np.flatnonzero(places < 0).tolist() if index not in problems]
        decoded = decode_in_memory(samples, decode, self.layout, on_progress, chosen=left, problems=problems)
        if len(left) < len(samples):
            decoded = self._rows_at(places, decoded)
        return decoded._replace(warnings=warnings)

    @contextlib.contextmanager
    def writer(self) -> Iterator[CacheWriter]:
        """Add rows to the cache: one process at a time, as two would decode the same.

        A second builder waits, and then finds what the first one has added. The lock is the system's, which
        takes it from a process that dies. Where there are no locks both build, and both packs are right.

        Raises:
            CannotWrite: if the folder cannot be written to; what was added before stays.
        """
        with contextlib.ExitStack() as stack:
            with as_write_error():
                alone = stack.enter_context(locked(self.folder / LOCK))
                self._say_what_it_is()
            clear_unfinished(self.folder, alone=alone is True)
            self._refresh()
            writer = CacheWriter(self.folder, self.layout)
            try:
                yield writer
            except CannotWrite:
                writer.discard()
                raise
            except BaseException:  # an interrupt, mostly: what is decoded is kept
                with contextlib.suppress(CannotWrite):
                    writer.finish()
                raise
            writer.finish()
            self._refresh()

    def _add_missing(
        self, samples: Sequence[Sample], keys: Sequence[bytes | None], decode: Decode, on_progress: Count
    ) -> Problems:
        if not self._missing(keys):
            return {}
        with self.writer() as writer:
            missing = self._missing(keys)  # another process may have added some of them meanwhile

            def add(index: int) -> None:
                image, mask = decode(samples[index])
                if not _is_key(missing[index], samples[index]):
                    raise DataError(
                        "the image or its mask changed while it was read",
                        where=str(samples[index].files[0]),
                        hint="start again when nothing changes them",
                    )
                writer.add(missing[index], image, mask)

            return run_in_threads(add, [*missing], len(samples), on_progress)

    def _missing(self, keys: Sequence[bytes | None]) -> dict[int, bytes]:
        """The keys that are not here, each once, by the number of a sample that has it."""
        missing = {key: index for index, key in enumerate(keys) if key is not None and key not in self._rows}
        return {index: key for key, index in missing.items()}

    def _refresh(self) -> None:
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

    def _keys(self, samples: Sequence[Sample]) -> list[bytes | None]:
        """What the rows of samples are found by: SHA-256 over the digests of their files.

        None for those that are not kept: nothing is known to decide their pixels, or a file cannot be read.
        """
        kept = [sample for sample in samples if sample.variant is not None]
        digests = self._files.of(file for sample in kept for file in sample.files)
        return [_key(sample, digests) for sample in samples]

    def _rows_at(self, places: npt.NDArray[np.int64], held: Decoded) -> Decoded:
        """The rows at these places, with their digests; those at -1 are held in memory, in their order."""
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
        digests[here] = [np.void(pixel_digest(*pair)) for pair in zip(held.images, held.masks, strict=True)]
        blocks: list[Pack | Decoded] = [*self._packs, held]
        return Decoded(
            IndexedArrays([some.images for some in blocks], self.layout.image, block, row),
            IndexedArrays([some.masks for some in blocks], self.layout.mask, block, row),
            digests,
        )

    def _say_what_it_is(self) -> None:
        about = self.folder / ABOUT
        if not about.exists():
            with atomic_write(about) as temporary:
                temporary.write_text(self._about, encoding="utf-8")

    def _not_cached(self, error: CannotWrite) -> str:
        return (
            "Decoded images are held in memory, and the next run decodes them again: "
            f"{self.folder.parent} cannot be written to ({error}). "
            "Set SEGKIT_CACHE to another folder, or data.cache: false."
        )


def _key(sample: Sample, digests: Mapping[Path, bytes]) -> bytes | None:
    found = [digests[file] for file in sample.files if file in digests]
    if sample.variant is None or not found or len(found) < len(sample.files):
        return None
    return hashlib.sha256(b"".join([*found, sample.variant.encode()])).digest()


def _is_key(key: bytes, sample: Sample) -> bool:
    """Whether a key is still that of a sample, by the bytes of its files: they are read once more."""
    try:
        return key == _key(sample, {file: file_digest(file) for file in sample.files})
    except OSError:
        return False


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

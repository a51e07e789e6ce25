"""Cache of decoded images, shared by runs.

Each preprocessing (everything that determines pixels apart from the files) has a folder of packs. The key of
a row is the SHA-256 of its files, and of the outlines of its mask: renamed or differently split files are
found, changed ones are not.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segkit.core.errors import DataError
from segkit.core.types import Sample
from segkit.data.cache.array_view import IndexedArrays
from segkit.data.cache.store import (
    ENDING,
    UNFINISHED,
    CacheWriteError,
    CorruptPackError,
    Group,
    as_write_error,
    pixel_digest,
    read_pack,
)
from segkit.data.cache.writer import StoreWriter
from segkit.data.decoding import (
    IMAGE_TYPES,
    Count,
    Decode,
    Decoded,
    Layout,
    Problems,
    decode_in_memory,
    run_in_threads,
)
from segkit.utils.atomic import write_text
from segkit.utils.hashing import FileDigests, file_digest
from segkit.utils.locks import locked

ABOUT, LOCK = "about.json", "lock"


class Cache:
    """Cache of one preprocessing.

    Args:
        root: folder of all caches.
        layout: shapes of images and masks.
        about: everything that determines pixels apart from the files, as plain data; its hash names the
            folder.
    """

    def __init__(self, root: Path, layout: Layout, about: Mapping[str, Any]) -> None:
        self.layout = layout
        self._about = json.dumps(about, indent=1, sort_keys=True, default=str)
        self.folder = root / hashlib.sha256(self._about.encode()).hexdigest()[:32]
        self._files = FileDigests(root)
        self._packs: set[Path] = set()
        self._groups: list[Group] = []
        self._starts = [0]  # first row of every group, and the number of rows
        self._rows: dict[bytes, int] = {}  # key -> row, counted through all groups
        self._refresh()
        with contextlib.suppress(OSError):
            os.utime(self.folder / ABOUT)  # time of last use

    def get_or_decode(self, samples: Sequence[Sample], decode: Decode, on_progress: Count) -> Decoded:
        """Images and masks of samples; missing ones are decoded and added to the cache.

        If the cache cannot be written, they are held in memory, with a warning.

        Args:
            samples: samples, in order.
            decode: function sample -> image and mask.
            on_progress: callback of (done, total).

        Raises:
            DataError: listing every file at fault.
        """
        keys = self._keys(samples)
        problems: Problems = {}
        warnings: tuple[str, ...] = ()
        try:
            problems = self._add_missing(samples, keys, decode, on_progress)
        except CacheWriteError as error:
            warnings = (self._warning(error),)
            self._refresh()
        rows = np.array([-1 if key is None else self._rows.get(key, -1) for key in keys], np.int64)
        rest = [index for index in np.flatnonzero(rows < 0).tolist() if index not in problems]
        decoded = decode_in_memory(samples, decode, self.layout, on_progress, indices=rest, problems=problems)
        if len(rest) < len(samples):
            decoded = self._join(rows, decoded)
        return decoded._replace(warnings=warnings)

    @contextlib.contextmanager
    def writer(self) -> Iterator[StoreWriter]:
        """Add rows to the cache.

        A file lock admits one process at a time, so that a second one finds the rows of the first.

        Raises:
            CacheWriteError: if the folder cannot be written; earlier packs stay.
        """
        with contextlib.ExitStack() as stack:
            with as_write_error():
                stack.enter_context(locked(self.folder / LOCK))
                self._write_about()
            clear_unfinished(self.folder)
            self._refresh()
            writer = StoreWriter(self.folder)
            try:
                yield writer
            except CacheWriteError:
                raise
            except BaseException:  # mostly an interrupt: keep the decoded rows
                with contextlib.suppress(CacheWriteError):
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
            missing = self._missing(keys)  # another process may have added some

            def add(index: int) -> None:
                image, mask = decode(samples[index])
                if not _is_unchanged(missing[index], samples[index]):
                    raise DataError(
                        "the image or its mask changed while it was read",
                        where=str(samples[index].files[0]),
                        hint="start again when no program writes to them",
                    )
                writer.add(missing[index], image, mask)

            return run_in_threads(add, [*missing], len(samples), on_progress)

    def _missing(self, keys: Sequence[bytes | None]) -> dict[int, bytes]:
        """Missing keys, each once, by the index of a sample that has it."""
        missing = {key: index for index, key in enumerate(keys) if key is not None and key not in self._rows}
        return {index: key for key, index in missing.items()}

    def _refresh(self) -> None:
        for path in sorted({*self.folder.glob(f"*{ENDING}")} - self._packs):
            groups: list[Group] | None = None
            try:
                groups = read_pack(path)
            except OSError as error:
                if error.errno == errno.EMFILE:  # a mapped file stays open
                    raise DataError(
                        f"the cache of decoded images has more files than the {len(self._packs):,} that this "
                        "process may open",
                        where=str(self.folder),
                        hint="ulimit -n 65536, or segkit data cache --clear",
                    ) from error
                continue
            except CorruptPackError:
                pass  # and the error, which holds the mapped file, is gone behind this
            if groups is None or not all(map(self._fits, groups)):
                del groups  # Windows does not remove a mapped file
                with contextlib.suppress(OSError):
                    path.unlink()
                continue
            self._packs.add(path)
            for group in groups:
                self._rows.update(zip(group.keys.tolist(), count(self._starts[-1])))
                self._groups.append(group)
                self._starts.append(self._starts[-1] + len(group.keys))

    def _fits(self, group: Group) -> bool:
        types = group.images.dtype in IMAGE_TYPES and group.masks.dtype == np.uint8
        return types and self.layout.admits(*group.shapes)

    def _keys(self, samples: Sequence[Sample]) -> list[bytes | None]:
        cacheable = [sample for sample in samples if sample.variant is not None]
        digests = self._files.of(file for sample in cacheable for file in sample.files)
        return [_key(sample, digests) for sample in samples]

    def _join(self, rows: npt.NDArray[np.int64], decoded: Decoded) -> Decoded:
        """Cached rows, with their digests; rows of -1 are those decoded in memory, in order."""
        starts, in_memory = np.array(self._starts), rows < 0
        rows = np.where(in_memory, starts[-1] + np.cumsum(in_memory) - 1, rows)
        block = np.searchsorted(starts, rows, side="right") - 1
        pairs = zip(decoded.images, decoded.masks, strict=True)
        digests = np.frombuffer(b"".join(pixel_digest(*pair) for pair in pairs), "V32")
        blocks: list[Group | Decoded] = [*self._groups, decoded]
        return Decoded(
            IndexedArrays([item.images for item in blocks], block, rows - starts[block]),
            IndexedArrays([item.masks for item in blocks], block, rows - starts[block]),
            np.concatenate([*(group.digests for group in self._groups), digests])[rows],
        )

    def _write_about(self) -> None:
        about = self.folder / ABOUT
        if not about.exists():
            write_text(about, self._about)

    def _warning(self, error: CacheWriteError) -> str:
        return (
            "Decoded images are held in memory, and the next run decodes them again: "
            f"{self.folder.parent} cannot be written to ({error}). "
            "Set SEGKIT_CACHE to another folder, or data.cache: false."
        )


def _key(sample: Sample, digests: Mapping[Path, bytes]) -> bytes | None:
    known = [digests[file] for file in sample.files if file in digests]
    if sample.variant is None or not known or len(known) < len(sample.files):
        return None  # not cacheable, or a file cannot be read
    return hashlib.sha256(b"".join([*known, sample.variant.encode(), sample.outlines.encode()])).digest()


def _is_unchanged(key: bytes, sample: Sample) -> bool:
    """Whether the files of a sample still have this key; reads them again."""
    try:
        return key == _key(sample, {file: file_digest(file) for file in sample.files})
    except OSError:
        return False


def clear_unfinished(folder: Path) -> None:
    """Remove temporary files of killed processes; the folder's lock must be held."""
    for file in (file for pattern in (*UNFINISHED, f".{ABOUT}.*") for file in folder.glob(pattern)):
        with contextlib.suppress(OSError):
            file.unlink()

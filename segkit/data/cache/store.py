"""Store of images and masks of any shape and type: safetensors files (packs), memory-mapped for reading.

The rows of a pack with the same shapes and types are a group. It has four tensors of equal length: images,
masks, keys, and the SHA-256 of each image with its mask. No other module knows the format.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import os
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from segkit.core.errors import DataError
from segkit.data.large_arrays import give_back_pages, is_large, keep_out_of_memory
from segkit.utils.atomic import atomic_write
from segkit.utils.os_errors import is_out_of_memory

ENDING = ".safetensors"
UNFINISHED = (f".*{ENDING}.*", ".tmp??????")  # temporary files of `atomic_write` and of safetensors
_METADATA = "segkit"
Array = npt.NDArray[Any]


class CacheWriteError(Exception):
    """The cache cannot be written."""


class CorruptPackError(Exception):
    """A pack is incomplete or damaged."""


@contextlib.contextmanager
def as_write_error() -> Iterator[None]:
    """Turn an error of writing a file into a `CacheWriteError`."""
    try:
        yield
    except OSError as error:
        raise CacheWriteError(error.strerror or str(error)) from error
    except SafetensorError as error:  # its text ends with the system's number
        code = re.search(r"os error (\d+)", str(error))
        raise CacheWriteError(os.strerror(int(code[1])) if code else str(error)) from error


def pixel_digest(image: Array, mask: Array) -> bytes:
    """SHA-256 over the bytes of an image and its mask."""
    return bytes.fromhex(_sha256([image, mask]))


class StoredArrays:
    """Images or masks of a group, by row; after unpickling the file is mapped again at the first access.

    Indexed as an array, without a copy, read-only: ``images[3]`` is a row, ``images[3, 512:1024, :512]`` a
    window of it, which is all that is read. If the file is gone by then, both raise a `DataError`.

    Args:
        path: pack.
        name: name of the tensor.
        array: the tensor, memory-mapped.
    """

    def __init__(self, path: Path, name: str, array: Array) -> None:
        self._path = path
        self._name = name
        self._array = array

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, ...)."""
        return self._array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of all rows."""
        return self._array.dtype

    def __getitem__(self, index: int | tuple[int | slice, ...]) -> Array:
        pixels: Array = self._array[index]
        if is_large(pixels.nbytes):
            give_back_pages()
        return pixels

    @cached_property
    def _array(self) -> Array:
        try:
            self._tensors = _shared(self._path)
            return self._tensors[self._name]
        except (OSError, SafetensorError, LookupError, ValueError) as error:
            reason = "No such file or directory" if isinstance(error, FileNotFoundError) else error
            raise DataError(
                f"the cached images can no longer be read: {reason}",
                where=str(self._path),
                hint="was the cache cleared? start the run again",
            ) from None

    def __getstate__(self) -> dict[str, Any]:
        return {"_path": self._path, "_name": self._name}


class Group(NamedTuple):
    """Rows of a pack with the same shapes and types.

    Args:
        keys: (N,), 32 bytes each.
        digests: (N,), SHA-256 of each image with its mask.
        images: (N, H, W, C).
        masks: (N, H, W), or (N, H, W, K) for multilabel.
    """

    keys: Array
    digests: Array
    images: StoredArrays
    masks: StoredArrays

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Shapes of an image and a mask."""
        return self.images.shape[1:], self.masks.shape[1:]


def read_pack(path: Path) -> list[Group]:
    """Check a pack and map it, so that the file may be removed.

    Header, size, types, keys and digests are always checked; the pixels only if the file's modification
    time differs from that in its metadata.

    Raises:
        CorruptPackError: if it is incomplete or damaged.
        OSError: if it cannot be read.
    """
    try:
        arrays = _mapped(path)
        groups = [_group(path, arrays, number) for number in range(len(arrays) // 4)]
        with safe_open(path, "np") as file:
            text, digest = file.metadata()[_METADATA].split()
        written = int(text)
    except (SafetensorError, LookupError, TypeError, ValueError) as error:
        if is_out_of_memory(error):
            raise
        raise CorruptPackError(str(error)) from error
    if _index_digest(groups) != digest:
        raise CorruptPackError("its keys or types have changed")
    if path.stat().st_mtime_ns != written * 10**9:
        for group in groups:
            for row, known in enumerate(group.digests):
                if pixel_digest(group.images[row], group.masks[row]) != known.tobytes():
                    raise CorruptPackError("its pixels have changed")
        with contextlib.suppress(OSError):
            os.utime(path, (written, written))
    return groups


def rows_in(path: Path) -> int:
    """Number of rows in the header of a pack; 0 if it is not a pack."""
    with contextlib.suppress(OSError, SafetensorError), safe_open(path, "np") as file:
        keys = [file.get_slice(name) for name in file.keys() if name.endswith(".keys")]  # noqa: SIM118
        return sum(tensor.get_shape()[0] for tensor in keys)
    return 0


class Row(NamedTuple):
    """A row to write: key and digest of 32 bytes, image (H, W, C), mask (H, W) or (H, W, K)."""

    key: bytes
    digest: bytes
    image: Array
    mask: Array


def write_pack(folder: Path, rows: Sequence[Row]) -> None:
    """Write rows to a new pack.

    Raises:
        CacheWriteError: if it cannot be written.
    """
    kinds: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        kind = row.image.shape, row.image.dtype, row.mask.shape, row.mask.dtype
        kinds.setdefault(kind, []).append(row)
    tensors: dict[str, Array] = {}
    for number, same in enumerate(kinds.values()):
        tensors[f"{number}.keys"] = _stack([np.frombuffer(row.key, np.uint8) for row in same])
        tensors[f"{number}.digests"] = _stack([np.frombuffer(row.digest, np.uint8) for row in same])
        tensors[f"{number}.images"] = _stack([row.image for row in same])
        tensors[f"{number}.masks"] = _stack([row.mask for row in same])
    # Even seconds, which every file system can store as modification time.
    written = int(time.time()) // 2 * 2
    names = ("keys", "digests", "images", "masks")
    groups = (tuple(tensors[f"{number}.{name}"] for name in names) for number in range(len(kinds)))
    metadata = {_METADATA: f"{written} {_index_digest(groups)}"}
    with as_write_error(), atomic_write(folder / f"{uuid.uuid4().hex}{ENDING}", durable=True) as temporary:
        temporary.touch()
        mode = temporary.stat().st_mode
        save_file(tensors, temporary, metadata)
        temporary.chmod(mode)  # safetensors 0.8 makes files that only their owner can read
        os.utime(temporary, (written, written))


def _mapped(path: Path) -> dict[str, Array]:
    """Tensors of a pack by name. safetensors checks the header and the size, but would copy what it reads."""
    file: Any
    with safe_open(path, "np") as file, path.open("rb") as opened:
        content = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        keep_out_of_memory(content)
        start = 8 + int.from_bytes(content[:8], "little")
        header = json.loads(content[8:start])
        arrays: dict[str, Array] = {}
        for name in file.keys():  # noqa: SIM118
            begin, end = header[name]["data_offsets"]
            like = file.get_slice(name)[:0]
            flat = np.frombuffer(content, like.dtype, (end - begin) // like.itemsize, start + begin)
            arrays[name] = flat.reshape(-1, *like.shape[1:])
    return arrays


class _Tensors(dict[str, Array]):
    """Tensors of a pack, for as long as one of them is used: each mapping keeps a file open."""


_in_use: WeakValueDictionary[Path, _Tensors] = WeakValueDictionary()


def _shared(path: Path) -> _Tensors:
    tensors = _in_use.get(path)
    if tensors is None:
        tensors = _in_use[path] = _Tensors(_mapped(path))
    return tensors


def _group(path: Path, arrays: dict[str, Array], number: int) -> Group:
    names = [f"{number}.{name}" for name in ("images", "masks")]
    return Group(
        np.frombuffer(arrays[f"{number}.keys"], "V32"),
        np.frombuffer(arrays[f"{number}.digests"], "V32"),
        *(StoredArrays(path, name, arrays[name]) for name in names),
    )


def _plain(array: Array) -> Array:
    """As stored: contiguous and little-endian; a copy only if it is not."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))


def _stack(arrays: Sequence[Array]) -> Array:
    return _plain(np.stack(arrays) if len(arrays) > 1 else arrays[0][None])  # no copy of a large image


def _index_digest(groups: Iterable[Iterable[Any]]) -> str:
    """SHA-256 over keys, digests, and types and shapes of images and masks."""
    digest = hashlib.sha256()
    for keys, digests, images, masks in groups:
        digest.update(f"{_sha256([keys, digests])} {images.dtype} {images.shape} ".encode())
        digest.update(f"{masks.dtype} {masks.shape}\n".encode())
    return digest.hexdigest()


def _sha256(arrays: Iterable[Array]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(_plain(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()

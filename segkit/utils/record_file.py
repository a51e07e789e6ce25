"""Records by index in a temporary file instead of in memory."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from segkit.core.errors import TrainingError
from segkit.utils.os_errors import cannot_write

Records = npt.NDArray[Any]


class RecordFile:
    """Records of one NumPy type by index, in an unnamed temporary file that ends with it.

    Args:
        kind: type of a record.

    Raises:
        TrainingError: if the folder of temporary files cannot be written to.
    """

    def __init__(self, kind: np.dtype[Any]) -> None:
        self._kind = kind
        try:  # unbuffered: a full disk is met where a record is written
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        except OSError as error:
            raise _no_room(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def write(self, index: int, record: Records) -> None:
        """Write one record; indices that are left out read as zeros.

        Raises:
            TrainingError: if the disk is full.
        """
        rest = memoryview(record.tobytes())
        try:
            self._file.seek(index * self._kind.itemsize)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise _no_room(error) from None

    def read(self, indices: npt.NDArray[np.intp]) -> Records:
        """Records (N,) of N increasing indices; neighbours are read at once."""
        records = np.zeros(len(indices), self._kind)
        runs = np.flatnonzero(np.diff(indices, prepend=-2) != 1).tolist()
        for first, end in pairwise([*runs, len(indices)]):
            self._file.seek(int(indices[first]) * self._kind.itemsize)
            self._file.readinto(records[first:end].data)
        return records


def _no_room(error: OSError) -> TrainingError:
    folder = tempfile.tempdir  # None if there is none: then the error lists those that were tried
    again = "the same command again, or set TMPDIR to another folder for temporary files"
    return cannot_write(error, Path(folder) if folder else None, again)

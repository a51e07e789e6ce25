"""Images or masks that lie in several places, read as if they were one array."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, overload

import numpy as np
import numpy.typing as npt

from segkit.core.types import Pixels


class Block(Protocol):
    """Some images, or masks."""

    def __getitem__(self, row: int, /) -> Pixels:
        """One of them."""
        ...


class IndexedArrays:
    """A view of rows of several arrays, in an order of its own; nothing is copied until it is asked for.

    What an index gives is a row itself, which may lie in a file that is mapped into memory and then cannot be
    written to; a slice is another view, and `copy` an array.

    Args:
        blocks: arrays (n, ...), alike but for n, or what can be indexed like them.
        row_shape: of a row.
        block: (N,) which array a row is in.
        row: (N,) which of its rows it is.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        row_shape: tuple[int, ...],
        block: npt.NDArray[Any],
        row: npt.NDArray[Any],
    ) -> None:
        self._blocks = blocks
        self._row_shape = row_shape
        self._block = block.astype(np.int32)
        self._row = row.astype(np.int64)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, ...), as an array has it."""
        return (len(self), *self._row_shape)

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        """That of the arrays."""
        return np.dtype(np.uint8)

    def __len__(self) -> int:
        return len(self._row)

    @overload
    def __getitem__(self, index: int) -> Pixels: ...
    @overload
    def __getitem__(self, index: slice) -> IndexedArrays: ...
    def __getitem__(self, index: int | slice) -> Pixels | IndexedArrays:
        if isinstance(index, slice):
            return IndexedArrays(self._blocks, self._row_shape, self._block[index], self._row[index])
        row: Pixels = self._blocks[self._block[index]][int(self._row[index])]
        return row

    def __iter__(self) -> Iterator[Pixels]:
        return (self[index] for index in range(len(self)))

    def copy(self) -> Pixels:
        """An array (N, ...) of its own."""
        copied = np.empty(self.shape, self.dtype)
        for index, row in enumerate(self):
            copied[index] = row
        return copied

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("the rows lie in several places: an array of them is a copy")
        return self.copy().astype(dtype or self.dtype, copy=False)


Stack = Pixels | IndexedArrays
"""Images or masks in a row: (N, ...) uint8."""

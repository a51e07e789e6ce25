"""Array-like view of rows of several arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, overload

import numpy as np
import numpy.typing as npt

from segkit.core.types import Pixels


class Block(Protocol):
    """Images or masks, by row."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, ...)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of all rows."""

    def __getitem__(self, row: int, /) -> Pixels: ...


class IndexedArrays:
    """A view of rows of several arrays, in any order; the rows may differ in type.

    An index gives a row, read-only if it comes from a file; a slice gives another view.

    Args:
        blocks: arrays (n, ...) that differ in n and type only, or objects indexed like them; at least one.
        block: (N,) index of the array of each row.
        row: (N,) index within that array.
    """

    def __init__(self, blocks: Sequence[Block], block: npt.NDArray[Any], row: npt.NDArray[Any]) -> None:
        self._blocks = blocks
        self._block = block.astype(np.int32)
        self._row = row.astype(np.int64)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, ...)."""
        return (len(self), *self._blocks[0].shape[1:])

    @property
    def dtypes(self) -> set[np.dtype[Any]]:
        """Types of the rows."""
        return {self._blocks[block].dtype for block in np.unique(self._block)}

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the rows; if they differ, one that holds the numbers of all."""
        return np.result_type(*(self.dtypes or {self._blocks[0].dtype}))

    def __len__(self) -> int:
        return len(self._row)

    @overload
    def __getitem__(self, index: int) -> Pixels: ...
    @overload
    def __getitem__(self, index: slice) -> IndexedArrays: ...
    def __getitem__(self, index: int | slice) -> Pixels | IndexedArrays:
        if isinstance(index, slice):
            return IndexedArrays(self._blocks, self._block[index], self._row[index])
        row: Pixels = self._blocks[self._block[index]][int(self._row[index])]
        return row

    def __iter__(self) -> Iterator[Pixels]:
        return (self[index] for index in range(len(self)))

    def copy(self) -> Pixels:
        """Copy all rows into an array (N, ...)."""
        copied = np.empty(self.shape, self.dtype)
        for index, row in enumerate(self):
            copied[index] = row
        return copied

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("the rows are in several arrays: one array of them needs a copy")
        return self.copy().astype(dtype or self.dtype, copy=False)


Stack = Pixels | IndexedArrays
"""Images or masks: (N, ...)."""


def types_of(stack: Stack) -> set[np.dtype[Any]]:
    """Types of the rows."""
    return stack.dtypes if isinstance(stack, IndexedArrays) else {stack.dtype}

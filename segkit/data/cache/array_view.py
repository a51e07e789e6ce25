"""Array-like view of rows of several arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
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
    """A view of rows of several arrays, in any order; the rows may differ in type, height and width.

    An index gives a row, read-only if it comes from a file; a slice gives another view.

    Args:
        blocks: arrays (n, ...), or objects indexed like them; at least one.
        block: (N,) index of the array of each row.
        row: (N,) index within that array.
    """

    def __init__(self, blocks: Sequence[Block], block: npt.NDArray[Any], row: npt.NDArray[Any]) -> None:
        self._blocks = blocks
        self._block = block.astype(np.int32)
        self._row = row.astype(np.int64)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, ...).

        Raises:
            ValueError: if the rows differ in shape.
        """
        shapes = self.row_shapes
        if len(shapes) > 1:
            raise ValueError(f"the rows have {len(shapes)} shapes")
        return (len(self), *next(iter(shapes)))

    @cached_property
    def row_shapes(self) -> set[tuple[int, ...]]:
        """Shapes of the rows; without rows, that of the first array's."""
        return {shape for block in self._used for shape in shapes_of(block)}

    @property
    def dtypes(self) -> set[np.dtype[Any]]:
        """Types of the rows."""
        return {dtype for block in self._used for dtype in types_of(block)} if len(self) else set()

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the rows; if they differ, one that holds the numbers of all."""
        return np.result_type(*(self.dtypes or {self._blocks[0].dtype}))

    @property
    def _used(self) -> list[Block]:
        return [self._blocks[block] for block in np.unique(self._block)] or [self._blocks[0]]

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
        """Copy all rows into an array (N, ...); they must have the same shape."""
        copied = np.empty(self.shape, self.dtype)
        for index, row in enumerate(self):
            copied[index] = row
        return copied

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("the rows are in several arrays: one array of them needs a copy")
        return self.copy().astype(dtype or self.dtype, copy=False)


Stack = Pixels | IndexedArrays
"""Images or masks: (N, ...), or rows of different height and width."""


def types_of(stack: Stack | Block) -> set[np.dtype[Any]]:
    """Types of the rows."""
    return stack.dtypes if isinstance(stack, IndexedArrays) else {stack.dtype}


def shapes_of(stack: Stack | Block) -> set[tuple[int, ...]]:
    """Shapes of the rows."""
    return stack.row_shapes if isinstance(stack, IndexedArrays) else {stack.shape[1:]}


def channels_of(images: Stack) -> int:
    """Channels of all images."""
    return next(iter(shapes_of(images)))[-1]

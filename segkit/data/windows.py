"""Windows of images and masks, and grids of overlapping windows whose predictions are blended.

Windows start at multiples of `GRID`, so that pixels lie at the same positions of the feature maps as in the
whole image: away from the borders of windows, a convolutional network gives the same result. The outermost
quarter of an overlap has weight 0, and the half inside it is blended into the neighbouring windows. Weights
are divided by the sum over all windows at a pixel: rows can be yielded once no further window reaches them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np
import numpy.typing as npt

from segkit.core.types import Pixels

# Encoders halve their maps five times: with windows on this grid, pixels lie at the same positions of the
# feature maps as in the whole image.
GRID = 32

Extent = tuple[int, int]  # (height, width)
Maps = npt.NDArray[np.float32]
Weights = npt.NDArray[np.float32]
_Indices = npt.NDArray[np.intp]


def window_step(side: int, overlap: int) -> int:
    """Distance of neighbouring windows: a multiple of `GRID` if there is one above 0, for a larger overlap.

    Args:
        side: side of the windows, in pixels.
        overlap: least overlap of neighbouring windows, in pixels; below `side`.
    """
    distance = side - overlap
    return distance // GRID * GRID or distance


def cut_window(image: Pixels, top: int, left: int, size: Extent) -> Pixels:
    """A window (height, width, C) of an image (H, W, C); beyond the image, its reflection.

    `top` and `left` may be negative. Only pixels inside the window, and those that are reflected, are read.
    """

    def crop(top: int, left: int, height: int, width: int) -> Pixels:
        part: Pixels = image[top : top + height, left : left + width]
        return part

    return read_window(crop, image.shape[:2], top, left, size)


def read_window(
    crop: Callable[[int, int, int, int], Pixels], extent: Extent, top: int, left: int, size: Extent
) -> Pixels:
    """As `cut_window`, of an image of which `crop` reads (top, left, height, width).

    Args:
        crop: function that reads pixels inside the image.
        extent: (height, width) of the image.
        top: first row of the window.
        left: first column of the window.
        size: (height, width) of the window.
    """
    if top >= 0 and left >= 0 and top + size[0] <= extent[0] and left + size[1] <= extent[1]:
        return np.ascontiguousarray(crop(top, left, *size))
    rows, columns = (
        _reflected(np.arange(start, start + side), length)
        for start, side, length in zip((top, left), size, extent, strict=True)
    )
    first_row, first_column = int(rows.min()), int(columns.min())
    pixels = crop(
        first_row, first_column, int(rows.max()) + 1 - first_row, int(columns.max()) + 1 - first_column
    )
    window: Pixels = np.ascontiguousarray(pixels[(rows - first_row)[:, None], columns - first_column])
    return window


def cut_mask(mask: Pixels, top: int, left: int, size: Extent, extent: Extent, padding: int) -> Pixels:
    """A window (height, width) or (height, width, K) of a mask: nearest neighbours of the window's pixels.

    Args:
        mask: (H, W) or (H, W, K), of the image that is (height, width) `extent`; their sizes may differ.
        top: first row of the window in the image; it may be negative.
        left: first column of the window in the image; it may be negative.
        size: (height, width) of the window.
        extent: (height, width) of the image.
        padding: value beyond the image.
    """
    window = np.full((*size, *mask.shape[2:]), padding, mask.dtype)
    (rows, inner_rows), (columns, inner_columns) = (
        _nearest(start, side, length, source)
        for start, side, length, source in zip((top, left), size, extent, mask.shape[:2], strict=True)
    )
    if len(rows) and len(columns):
        # A slice first: of a memory-mapped mask, only these pages are read.
        part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        if mask.shape[:2] != extent:
            part = part[(rows - rows[0])[:, None], columns - columns[0]]
        window[inner_rows, inner_columns] = part
    return window


@dataclass(frozen=True)
class Grid:
    """Overlapping windows of an image; the last ones may reach beyond it.

    Args:
        extent: (height, width) of the image.
        size: (height, width) of the windows.
        step: distances of neighbouring windows, down and to the right; at most `size`.
    """

    extent: Extent
    size: Extent
    step: Extent

    def __len__(self) -> int:
        return len(self.tops) * len(self.lefts)

    @cached_property
    def tops(self) -> list[int]:
        """First rows of the windows."""
        return _starts(self.extent[0], self.size[0], self.step[0])

    @cached_property
    def lefts(self) -> list[int]:
        """First columns of the windows."""
        return _starts(self.extent[1], self.size[1], self.step[1])

    @property
    def starts(self) -> Iterator[tuple[int, int]]:
        """(top, left) of each window, row by row."""
        return map(self.start, range(len(self)))

    def start(self, number: int) -> tuple[int, int]:
        """(top, left) of a window."""
        row, column = divmod(number, len(self.lefts))
        return self.tops[row], self.lefts[column]

    def blend(self, channels: int, predictions: Iterable[Maps]) -> Iterator[Maps]:
        """Blend probabilities, in chunks (K, rows, width of the image) from top to bottom.

        Args:
            channels: K.
            predictions: (K, height, width) of each window, in the order of `starts`; only as many as there
                are windows are taken, each when it is needed.
        """
        if len(self) == 1:
            yield next(iter(predictions))[:, : self.extent[0], : self.extent[1]]
            return
        (height, width), (_, columns), (step, _) = self.extent, self.size, self.step
        row_weights, column_weights = (
            _weights(starts, side, step)
            for starts, side, step in zip((self.tops, self.lefts), self.size, self.step, strict=True)
        )
        remaining = iter(predictions)
        total = np.zeros((channels, self.size[0], width), np.float32)  # rows of the current windows
        for top in self.tops:
            for left, maps in zip(self.lefts, islice(remaining, len(self.lefts)), strict=True):
                weights = row_weights[top][:, None] * column_weights[left]
                inside = min(columns, width - left)
                total[:, :, left : left + inside] += (maps * weights)[:, :, :inside]
            rows = min(height - top, self.size[0] if top == self.tops[-1] else step)
            yield np.minimum(total[:, :rows], 1)  # rounded, the weights may sum to slightly more
            total[:, :-step] = total[:, step:]  # rows that the next windows reach too
            total[:, -step:] = 0


def _starts(length: int, side: int, step: int) -> list[int]:
    return [*range(0, max(length - (side - step), 1), step)]


def _weights(starts: list[int], side: int, step: int) -> dict[int, Weights]:
    """Weights (side,) of each window along one side; those of all windows at a pixel sum to 1."""
    overlap = side - step
    rising = np.clip((np.arange(overlap) + 0.5 - overlap / 4) / max(overlap / 2, 1), 0, 1)
    ramp = np.sin(np.pi / 2 * rising) ** 2
    weights = {start: np.ones(side) for start in starts}
    total = np.zeros(starts[-1] + side)
    for start, window in weights.items():
        if start > starts[0]:
            window[:overlap] *= ramp
        if start < starts[-1]:
            window[step:] *= 1 - ramp
        total[start : start + side] += window
    return {s: (window / total[s : s + side]).astype(np.float32) for s, window in weights.items()}


def _reflected(positions: _Indices, length: int) -> _Indices:
    positions = positions % (2 * length)
    reflected: _Indices = np.minimum(positions, 2 * length - 1 - positions)
    return reflected


def _nearest(start: int, side: int, length: int, source: int) -> tuple[_Indices, slice]:
    """Indices among `source` of the positions inside `length`, as in `resize_mask`; and where these are."""
    first, last = max(0, -start), max(0, min(side, length - start))
    positions = np.arange(start + first, start + last)
    return ((positions + 0.5) * source / length).astype(np.intp), slice(first, max(first, last))

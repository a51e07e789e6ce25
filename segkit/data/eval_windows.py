"""Windows of images in order, without augmentation."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property, lru_cache
from itertools import accumulate, count

import numpy as np

from segkit.core.types import Pixels
from segkit.data.batches import Batch, as_batch
from segkit.data.cache.array_view import Stack
from segkit.data.fit import Fit
from segkit.data.pixel_range import PixelRange, range_to_apply
from segkit.data.resize import resize_chunks
from segkit.data.windows import Grid, Maps, cut_mask, cut_window

_DRAW = 5  # first word of the random state that chooses windows


class EvalWindows:
    """All windows of letterboxed or cropped images, numbered image by image and row by row.

    Iteration gives batches of windows, or of those that `drawn` has chosen; windows of several images may be
    in one batch. `Batch.indices` are numbers of windows; of drawn ones, counted from 0.

    Args:
        images: rows (H, W, C), as they are kept by the fit.
        masks: rows (H, W) or (H, W, K) uint8, of the images' size, or with `Fit.is_native` of any other.
        fit: how images are fitted to the model.
        batch_size: maximum number of windows in a batch.
        padding: value of masks beyond the image.
        pixel_range: as in `TrainBatches`.
    """

    def __init__(
        self,
        images: Stack,
        masks: Stack,
        fit: Fit,
        batch_size: int,
        *,
        padding: int,
        pixel_range: PixelRange | None = None,
    ) -> None:
        self.images = images
        self.masks = masks
        self.fit = fit
        self.batch_size = batch_size
        self.padding = padding
        self._range = range_to_apply(images, pixel_range)
        self._numbers: Sequence[int] | None = None
        self._grid = lru_cache(maxsize=16)(self._make_grid)

    def __len__(self) -> int:
        return self._ends[-1] if self._numbers is None else len(self._numbers)

    def __iter__(self) -> Iterator[Batch]:
        if self._numbers is None:
            yield from self.batches(range(len(self)))
            return
        for first, batch in zip(count(0, self.batch_size), self.batches(self._numbers), strict=False):
            yield replace(batch, indices=[*range(first, first + len(batch.image))])

    def drawn(self, windows: int, seed: int) -> EvalWindows:
        """The same, of a fixed number of windows that a seed chooses, or of all if there are fewer."""
        chosen = copy(self)
        numbers = np.random.default_rng([_DRAW, seed]).permutation(len(self))[:windows]
        chosen._numbers = np.sort(numbers).tolist()
        return chosen

    def of_image(self, image: int) -> range:
        """Numbers of the windows of an image."""
        return range(self._ends[image - 1] if image else 0, self._ends[image])

    def batches(self, numbers: Sequence[int]) -> Iterator[Batch]:
        """Batches of windows."""
        for start in range(0, len(numbers), self.batch_size):
            yield self._batch([*numbers[start : start + self.batch_size]])

    def blend(self, image: int, channels: int, predictions: Iterable[Maps]) -> Iterator[Maps]:
        """Blend probabilities, in chunks (K, rows, W) at the size of the image's mask, from top to bottom.

        Args:
            image: index of the image.
            channels: K.
            predictions: probabilities (K, height, width) of its windows, in order.
        """
        grid, size = self._grid(image), self.masks[image].shape[:2]
        chunks = grid.blend(channels, predictions)
        return chunks if grid.extent == size else resize_chunks(chunks, grid.extent[0], size)

    def _make_grid(self, image: int) -> Grid:
        return self.fit.grid(self.images[image].shape[:2])

    @cached_property
    def _ends(self) -> list[int]:
        if not self.fit.is_native:
            return [*range(1, len(self.images) + 1)]
        return [*accumulate(len(self._make_grid(image)) for image in range(len(self.images)))]

    def _batch(self, numbers: list[int]) -> Batch:
        images, masks, contents = zip(*map(self._window, numbers), strict=True)
        batch = as_batch((np.stack(images), np.stack(masks), numbers))
        return replace(batch, contents=contents)

    def _window(self, number: int) -> tuple[Pixels, Pixels, tuple[int, int]]:
        index = bisect_right(self._ends, number)
        image, grid = self.images[index], self._grid(index)
        top, left = grid.start(number - self.of_image(index)[0])
        window = cut_window(image, top, left, grid.size)
        target = cut_mask(self.masks[index], top, left, grid.size, grid.extent, self.padding)
        height, width = (
            min(side, length - start)
            for side, length, start in zip(grid.size, grid.extent, (top, left), strict=True)
        )
        return 255 * self._range.unit(window) if self._range else window, target, (height, width)

"""Multi-threaded decoding of samples."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from segkit.core.errors import DataError, Problem
from segkit.core.types import Pixels, Sample
from segkit.data.cache.array_view import IndexedArrays, Stack
from segkit.data.fit import Fit
from segkit.data.large_arrays import is_in_file

MAX_THREADS = 16  # each holds a full-size image
_AT_ONCE = 512  # queued samples; limits the memory of queued calls

IMAGE_TYPES = frozenset(map(np.dtype, (np.uint8, np.uint16, np.int16, np.float32)))
Count = Callable[[int, int], None]
Decode = Callable[[Sample], tuple[Pixels, Pixels]]
Problems = Mapping[int, Sequence[Problem]]  # by sample index


class Layout(NamedTuple):
    """Shapes of decoded images and masks. Images have any of `IMAGE_TYPES`, masks are uint8.

    Args:
        fit: how images are fitted to the model.
        channels: channels of images.
        labels: (K,) for masks of multilabel tasks, else ().
    """

    fit: Fit
    channels: int
    labels: tuple[int, ...]

    @property
    def image(self) -> tuple[int, ...]:
        """Shape (H, W, C) of what the model sees."""
        return (*self.fit.size, self.channels)

    @property
    def mask(self) -> tuple[int, ...]:
        """Shape (H, W), or (H, W, K) for multilabel, of the mask of what the model sees."""
        return (*self.fit.size, *self.labels)

    @property
    def is_uniform(self) -> bool:
        """Whether all rows have these shapes."""
        return self.fit.kind == "stretch"

    @property
    def in_words(self) -> tuple[str, str]:
        """Shapes of an image and a mask: "(64, 96, 3)", or "(H, W, 3)" if they differ by row."""
        shapes = self.image, self.mask
        sides = self.fit.size if self.is_uniform else ("H", "W")
        image, mask = (f"({', '.join(map(str, (*sides, *shape[2:])))})" for shape in shapes)
        return image, mask

    def admits(self, image: tuple[int, ...], mask: tuple[int, ...]) -> bool:
        """Whether a row may have these shapes."""
        if self.is_uniform:
            return (image, mask) == (self.image, self.mask)
        is_expected = (image[2:], mask[2:]) == ((self.channels,), self.labels)
        return is_expected and (self.fit.is_native or image[:2] == mask[:2])


class Decoded(NamedTuple):
    """Images and masks of samples, in order; same fields as `Prepared`, without names."""

    images: Stack
    masks: Stack
    digests: npt.NDArray[Any] | None = None
    warnings: tuple[str, ...] = ()


def decode_in_memory(
    samples: Sequence[Sample],
    decode: Decode,
    layout: Layout,
    on_progress: Count,
    *,
    indices: Sequence[int] | None = None,
    problems: Problems | None = None,
) -> Decoded:
    """Decode samples into two arrays, or into one of images for each of their types; or into an array each.

    Args:
        samples: samples, in order.
        decode: function sample -> image and mask.
        layout: shapes of images and masks; arrays are for samples of the same shapes.
        on_progress: callback of (done, total).
        indices: indices of the samples to decode; by default all.
        problems: problems of other samples.

    Raises:
        DataError: listing every file at fault.
    """
    indices = range(len(samples)) if indices is None else indices
    in_memory = _into_arrays if layout.is_uniform else _into_rows

    def run(read: Callable[[int], None]) -> None:
        found = {**(problems or {}), **run_in_threads(read, indices, len(samples), on_progress)}
        raise_problems([problem for index in sorted(found) for problem in found[index]])

    return in_memory(samples, decode, layout, indices, run)


_Run = Callable[[Callable[[int], None]], None]


def _into_rows(
    samples: Sequence[Sample], decode: Decode, layout: Layout, indices: Sequence[int], run: _Run
) -> Decoded:
    rows: dict[int, tuple[Pixels, Pixels]] = {}

    def read(index: int) -> None:
        image, mask = decode(samples[index])
        # The source may use its arrays again.
        image, mask = (array if is_in_file(array) else array.copy() for array in (image, mask))
        rows[index] = image, mask

    run(read)
    each, zeros = np.arange(len(indices)), np.zeros(len(indices), int)
    nothing = np.empty((0, *layout.image), np.uint8), np.empty((0, *layout.mask), np.uint8)
    images, masks = zip(*(rows[index] for index in indices), strict=True) if len(indices) else ((), ())
    return Decoded(
        IndexedArrays([image[None] for image in images] or [nothing[0]], each, zeros),
        IndexedArrays([mask[None] for mask in masks] or [nothing[1]], each, zeros),
    )


def _into_arrays(
    samples: Sequence[Sample], decode: Decode, layout: Layout, indices: Sequence[int], run: _Run
) -> Decoded:
    count, lock = len(indices), threading.Lock()
    images: dict[np.dtype[Any], Pixels] = {}
    dtypes: list[Any] = [None] * count
    masks = np.empty((count, *layout.mask), np.uint8)
    rows = {index: row for row, index in enumerate(indices)}

    def read(index: int) -> None:
        image, mask = decode(samples[index])
        row = rows[index]
        with lock:
            if image.dtype not in images:  # memory that is not written to is not used
                images[image.dtype] = np.empty((count, *layout.image), image.dtype)
        images[image.dtype][row], masks[row], dtypes[row] = image, mask, image.dtype

    run(read)
    if len(images) < 2:
        return Decoded(next(iter(images.values()), np.empty((0, *layout.image), np.uint8)), masks)
    blocks = [*images]
    block = np.array([blocks.index(dtype) for dtype in dtypes])
    return Decoded(IndexedArrays([*images.values()], block, np.arange(count)), masks)


def run_in_threads(
    read: Callable[[int], None], indices: Sequence[int], total: int, on_progress: Count
) -> Problems:
    """Call a function for each sample index in threads; returns its `DataError` problems by index.

    `total` is the number of all samples; those not in `indices` count as done.
    """

    def attempt(index: int) -> Sequence[Problem]:
        try:
            read(index)
        except DataError as error:
            return error.problems
        return ()

    problems: dict[int, Sequence[Problem]] = {}
    done = total - len(indices)
    # Warning filters are global, so set them outside the threads; Pillow's warnings are harmless.
    with warnings.catch_warnings(), ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("ignore")
        for start in range(0, len(indices), _AT_ONCE):
            batch = indices[start : start + _AT_ONCE]
            for index, errors in zip(batch, pool.map(attempt, batch), strict=True):
                if errors:
                    problems[index] = errors
                done += 1
                on_progress(done, total)
    return problems


def raise_problems(problems: Sequence[Problem]) -> None:
    """Raise a `DataError` with these problems, if there are any."""
    if problems:
        raise DataError.of(problems)

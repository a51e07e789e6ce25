"""Decoding of many samples in threads; their problems are raised together."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from segkit.core.errors import DataError, Problem
from segkit.core.types import Pixels, Sample
from segkit.data.cache.array_view import Stack
from segkit.data.cache.pack_file import Layout

MAX_PROBLEMS = 50
MAX_THREADS = 16  # each holds an image at full size
_AT_ONCE = 512  # samples that wait for a thread: each of them takes memory

Count = Callable[[int, int], None]
Decode = Callable[[Sample], tuple[Pixels, Pixels]]
Problems = Mapping[int, Sequence[Problem]]  # by the number of the sample


class Decoded(NamedTuple):
    """The images and masks of samples, in their order; the fields of `Prepared` after its names."""

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
    chosen: Sequence[int] | None = None,
    problems: Problems | None = None,
) -> Decoded:
    """Decode samples into two arrays.

    Args:
        samples: in order.
        decode: a sample -> its image and mask.
        layout: of what it gives.
        on_progress: callback of (label, done, total).
        chosen: the numbers of those to decode, if not all.
        problems: of other samples, found before.

    Raises:
        DataError: with every file that is at fault, up to the first fifty problems.
    """
    chosen = range(len(samples)) if chosen is None else chosen
    images = np.empty((len(chosen), *layout.image), np.uint8)
    masks = np.empty((len(chosen), *layout.mask), np.uint8)
    rows = {index: row for row, index in enumerate(chosen)}

    def read(index: int) -> None:
        images[rows[index]], masks[rows[index]] = decode(samples[index])

    found = {**(problems or {}), **run_in_threads(read, chosen, len(samples), on_progress)}
    refuse([problem for index in sorted(found) for problem in found[index]])
    return Decoded(images, masks)


def run_in_threads(
    read: Callable[[int], None], chosen: Sequence[int], total: int, on_progress: Count
) -> Problems:
    """Problems by sample, whichever thread is done first; those that are not chosen are done already."""

    def attempt(index: int) -> Sequence[Problem]:
        try:
            read(index)
        except DataError as error:
            return error.problems
        return ()

    problems: dict[int, Sequence[Problem]] = {}
    done = total - len(chosen)
    # Set once out here, as filters are one state for all threads: Pillow warns of oddities that harm nothing.
    with warnings.catch_warnings(), ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("ignore")
        for start in range(0, len(chosen), _AT_ONCE):
            some = chosen[start : start + _AT_ONCE]
            for index, found in zip(some, pool.map(attempt, some), strict=True):
                if found:
                    problems[index] = found
                done += 1
                on_progress(done, total)
    return problems


def refuse(problems: Sequence[Problem]) -> None:
    """Tell what is wrong with the files of a data set, if anything is.

    Raises:
        DataError: with the first fifty problems.
    """
    if not problems:
        return
    rest = len(problems) - MAX_PROBLEMS
    more = [Problem(f"and {rest} more problems like these")] if rest > 0 else []
    raise DataError.of([*problems[:MAX_PROBLEMS], *more])

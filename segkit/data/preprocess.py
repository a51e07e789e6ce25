"""Every image at the recipe's size before training starts: what is wrong is known before the first step."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segkit.core.errors import DataError, Problem
from segkit.core.types import Pixels, Sample, Task
from segkit.data.cache.array_view import Stack
from segkit.data.cache.cache import Cache
from segkit.data.cache.pack_file import CannotWrite, Layout, pixel_digest
from segkit.data.pairing import check_extent
from segkit.data.resize import resize_image, resize_mask

MOST_PROBLEMS = 50
MOST_THREADS = 16  # each holds an image at full size
_AT_ONCE = 512  # samples that wait for a thread: each of them takes memory

Count = Callable[[int, int], None]
_Problems = dict[int, Sequence[Problem]]  # by the number of the sample


@dataclass(frozen=True)
class Prepared:
    """The images of one split, at the recipe's size.

    Args:
        names: in order.
        images: (N, H, W, C) uint8.
        masks: (N, H, W) uint8, or (N, H, W, K) for multilabel.
        digests: (N,), the SHA-256 of each image with its mask, where they are known.
        warnings: what the user should know of how they were read, in whole sentences.
    """

    names: list[str]
    images: Stack
    masks: Stack
    digests: npt.NDArray[Any] | None = None
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def digest(self) -> str:
        """SHA-256 over the names, and over the SHA-256 of each image with its mask."""
        total = hashlib.sha256("\n".join(self.names).encode())
        if self.digests is not None:
            total.update(self.digests.tobytes())
        else:
            for image, mask in zip(self.images, self.masks, strict=True):
                total.update(pixel_digest(image, mask))
        return total.hexdigest()


def layout_of(size: tuple[int, int], task: Task, channels: int) -> Layout:
    """The shapes of one image and one mask."""
    labels = (len(task.classes),) if task.kind == "multilabel" else ()
    return Layout((*size, channels), (*size, *labels))


def prepare(
    samples: Sequence[Sample],
    size: tuple[int, int],
    task: Task,
    channels: int,
    progress: Count = lambda done, total: None,
    cache: Cache | None = None,
) -> Prepared:
    """Read samples and bring them to one size: bilinear filtering for images, the nearest pixel for masks.

    With a cache, what it has is not read, and what it has not is added to it; where it cannot be written to,
    images are held in memory, as without one.

    Args:
        samples: in order.
        size: (height, width).
        task: decides the masks' shape.
        channels: of the images.
        progress: told how many are done, and of how many.
        cache: of images at this size.

    Raises:
        DataError: with every file that is at fault, up to the first fifty problems.
    """
    layout = layout_of(size, task, channels)
    places = np.full(len(samples), -1, np.int64)
    problems: _Problems = {}
    told: tuple[str, ...] = ()
    if cache:
        keys = cache.keys(samples)
        try:
            problems = _add_missing(cache, samples, keys, progress)
        except CannotWrite as error:
            told = (_not_cached(cache, error),)
            cache.refresh()
        places = cache.places(keys)
    left = [index for index in np.flatnonzero(places < 0).tolist() if index not in problems]
    images, masks, others = _in_memory(samples, left, layout, progress)
    found = problems | others
    refuse([problem for index in sorted(found) for problem in found[index]])
    names = [sample.name for sample in samples]
    if cache is None or len(left) == len(samples):
        prepared = Prepared(names, images, masks, warnings=told)
    else:
        prepared = Prepared(names, *cache.rows(places, images, masks), told)
    _check_foreground(prepared.masks, task)
    return prepared


def decode(sample: Sample, layout: Layout) -> tuple[Pixels, Pixels]:
    """A sample's image and mask at the size of a layout.

    Raises:
        DataError: naming the files that are at fault.
    """
    size = layout.mask[0], layout.mask[1]
    if sample.read_at:
        image, mask = sample.read_at(size)
    else:
        image, mask = sample.read()
        files = [str(file) for file in sample.files] or [sample.name]
        check_extent(image.shape, mask.shape, files[0], files[-1])
        image, mask = resize_image(image, size), resize_mask(mask, size).astype(np.uint8)
    if (image.shape, mask.shape) != (layout.image, layout.mask):
        raise DataError(
            f"the source gives an image {image.shape} and a mask {mask.shape}, "
            f"where {layout.image} and {layout.mask} are wanted",
            where=sample.name,
            hint="segkit test-plugin tries a source alone",
        )
    return image, mask.astype(np.uint8, copy=False)


def refuse(problems: Sequence[Problem]) -> None:
    """Tell what is wrong with the files of a data set, if anything is.

    Raises:
        DataError: with the first fifty problems.
    """
    if not problems:
        return
    rest = len(problems) - MOST_PROBLEMS
    more = [Problem(f"and {rest} more problems like these")] if rest > 0 else []
    raise DataError.of([*problems[:MOST_PROBLEMS], *more])


def _add_missing(
    cache: Cache, samples: Sequence[Sample], keys: Sequence[bytes | None], progress: Count
) -> _Problems:
    """Decode what the cache has not, each content once.

    Raises:
        CannotWrite: if the cache cannot be written to.
    """

    def missing() -> dict[bytes, int]:
        places = cache.places(keys)
        return {key: index for index, key in enumerate(keys) if key is not None and places[index] < 0}

    if not missing():
        return {}
    with cache.adding() as adding:
        wanted = missing()  # another process may have added some of them meanwhile

        def read(index: int) -> None:
            image, mask = decode(samples[index], cache.layout)
            if not cache.is_key(keys[index], samples[index]):
                raise DataError(
                    "the image or its mask was written to while it was read",
                    where=str(samples[index].files[0]),
                    hint="start again when nothing changes them",
                )
            key = keys[index]
            assert key is not None
            adding.add(key, image, mask)

        return _run(read, [*wanted.values()], len(samples), progress)


def _in_memory(
    samples: Sequence[Sample], chosen: Sequence[int], layout: Layout, progress: Count
) -> tuple[Pixels, Pixels, _Problems]:
    """The images and masks of the chosen samples, one after the other."""
    images = np.empty((len(chosen), *layout.image), np.uint8)
    masks = np.empty((len(chosen), *layout.mask), np.uint8)
    rows = {index: row for row, index in enumerate(chosen)}

    def read(index: int) -> None:
        images[rows[index]], masks[rows[index]] = decode(samples[index], layout)

    return images, masks, _run(read, chosen, len(samples), progress)


def _run(read: Callable[[int], None], chosen: Sequence[int], total: int, progress: Count) -> _Problems:
    """Problems by sample, whichever thread is done first; those that are not chosen are done already."""

    def attempt(index: int) -> Sequence[Problem]:
        try:
            read(index)
        except DataError as error:
            return error.problems
        return ()

    problems: _Problems = {}
    done = total - len(chosen)
    # Set once out here, as filters are one state for all threads: Pillow warns of oddities that harm nothing.
    with warnings.catch_warnings(), ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("ignore")
        for start in range(0, len(chosen), _AT_ONCE):
            some = chosen[start : start + _AT_ONCE]
            for index, found in zip(some, pool.map(attempt, some), strict=True):
                if found:
                    problems[index] = found
                done += 1
                progress(done, total)
    return problems


def _not_cached(cache: Cache, error: CannotWrite) -> str:
    return (
        f"Decoded images are held in memory, and the next run decodes them again: {cache.folder.parent} "
        f"cannot be written to ({error}). SEGKIT_CACHE names another folder; data.cache: false wants none."
    )


def _check_foreground(masks: Stack, task: Task) -> None:
    """Masks of 0 and 255 whose 255 is also the value to ignore would leave nothing to learn."""
    ignored = task.ignore_index
    if task.kind != "binary" or ignored is None or any((mask == 1).any() for mask in masks):
        return
    if any((mask == ignored).any() for mask in masks):
        raise DataError(
            f"no mask has any foreground, as every pixel of value {ignored} is ignored",
            hint="leave out data.ignore_index, or save foreground as 1",
        )

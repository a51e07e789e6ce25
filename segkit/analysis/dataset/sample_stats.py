"""Statistics of each sample: small, so that those of hundreds of thousands fit into memory."""

from __future__ import annotations

import hashlib
import os
import sys
import warnings
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segkit.analysis.dataset.dataset import Dataset
from segkit.analysis.dataset.looks import difference_hash, looks_of
from segkit.core.errors import DataError, Problem, SegkitError
from segkit.core.types import Pixels, Progress, Sample, Task
from segkit.data.decoding import MAX_THREADS
from segkit.data.images import read_header
from segkit.data.pairing import check_extent
from segkit.data.readers.raster import Extent, Header
from segkit.data.resize import resize_image, resize_mask
from segkit.utils.os_errors import is_out_of_memory
from segkit.utils.record_file import RecordFile, Records

MAX_SIDE = 512  # pixels of the longer side; larger images are downscaled
BLANK_SPREAD = 8  # of 255; images with a smaller range of values are blank
_RIM = 2  # pixels; an interpolated edge lies within this distance of both classes
_MAX_QUEUED = 512  # samples waiting for a thread


@dataclass(frozen=True, slots=True)
class ImageStats:
    """Statistics of an image."""

    digest: bytes  # of the downscaled pixels and the original size
    hash: int | None  # 64-bit difference hash; None if the thumbnail has one colour
    spread: float  # maximum minus minimum number, of the channel where it is largest
    dtype: str  # type of the numbers
    extremes: npt.NDArray[np.float32]  # (2, C), minimum and maximum of each channel


@dataclass(frozen=True, slots=True)
class MaskStats:
    """Statistics of the mask or masks of an image."""

    digest: bytes  # of the downscaled pixels
    counts: tuple[int, ...]  # pixels of every class; (background, foreground) for binary
    pixels: int  # number of pixels that are not ignored
    ignored: int  # number of pixels that are
    border: float  # fraction of the outermost pixels that are foreground
    centre: float  # fraction of the central quarter that is foreground
    solid: frozenset[int]  # values that fill an area somewhere, not only lines
    between: int  # number of pixels whose value lies between those on both sides
    jumps: int  # number of adjacent pixels whose values differ by more than 1
    rims: frozenset[int]  # values of the pixels counted in `between`
    lost: tuple[int, ...]  # classes without pixels at the recipe's size


@dataclass(frozen=True, slots=True)
class SampleStats:
    """Statistics of a sample, or the reasons why it cannot be read."""

    split: str
    sample: Sample
    headers: tuple[Header | None, ...]  # of its files, image first; None if not an image
    problems: tuple[Problem, ...] = ()  # reasons why it cannot be read
    image: ImageStats | None = None
    mask: MaskStats | None = None

    @property
    def file(self) -> str:
        """Path of the image, or the sample's name if it has no files."""
        return str(self.sample.files[0]) if self.sample.files else self.sample.name

    @property
    def masks(self) -> tuple[str, ...]:
        """Paths of the masks, or the sample's name if it has no files."""
        return tuple(map(str, self.sample.files[1:])) or (self.file,)


def collect_stats(dataset: Dataset, looks: RecordFile, on_progress: Progress) -> list[SampleStats]:
    """Read every sample once, in threads; the images' `LOOKS` are written by the index of their sample.

    Raises:
        TrainingError: if they cannot be written.
    """
    stats: list[SampleStats] = []
    for split, samples in dataset.splits.items():
        # Pillow warns of harmless oddities; filters are global state, so they are set outside the threads.
        with warnings.catch_warnings(), ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as pool:
            warnings.simplefilter("ignore")
            read = partial(_sample_stats, split, dataset)
            for start in range(0, len(samples), _MAX_QUEUED):
                results = pool.map(read, samples[start : start + _MAX_QUEUED])
                for done, (item, record) in enumerate(results, start=start + 1):
                    if record is not None:
                        looks.write(len(stats), record)
                    stats.append(item)
                    on_progress(f"{split} images", done, len(samples))
    return stats


def read_downscaled(sample: Sample, header: Header | None) -> tuple[Pixels, Pixels, Extent]:
    """Image and mask with at most `MAX_SIDE` pixels per side, and their original size.

    Raises:
        SegkitError: if they cannot be read.
    """
    if sample.read_at and header:
        return *sample.read_at(_bounded(header.extent)), header.extent
    image, mask = sample.read()
    files = [str(file) for file in sample.files] or [sample.name]
    check_extent(image.shape, mask.shape, files[0], files[-1])
    extent = image.shape[0], image.shape[1]
    size = _bounded(extent)
    return resize_image(image, size), resize_mask(mask, size).astype(np.uint8), extent


def header_or_none(file: Path) -> Header | None:
    """Header of an image; None if it cannot be read: sources of plugins may use other formats."""
    try:
        return read_header(file)
    except DataError:
        return None


def _sample_stats(split: str, dataset: Dataset, sample: Sample) -> tuple[SampleStats, Records | None]:
    headers: tuple[Header | None, ...] = _shared(tuple(map(header_or_none, sample.files)))
    try:
        image, mask, extent = read_downscaled(sample, headers[0] if headers else None)
    except SegkitError as error:
        return SampleStats(split, sample, headers, error.problems), None
    except Exception as error:  # of a plugin's source; the check continues
        if is_out_of_memory(error):
            raise
        file = str(sample.files[0]) if sample.files else sample.name
        problem = f"the source fails to read it: {type(error).__name__}: {error}"
        return SampleStats(split, sample, headers, (Problem(problem, file, kind="unreadable"),)), None
    record = looks_of(image)
    stats = _image_stats(image, extent, record["thumb"])
    return SampleStats(split, sample, headers, (), stats, _mask_stats(mask, extent, dataset)), record


@lru_cache(1024)
def _shared(value: Hashable) -> Any:
    """An equal value of before, if any: most samples have the same headers and sets."""
    return value


def _bounded(extent: Extent) -> Extent:
    height, width = extent
    longest = max(height, width, MAX_SIDE)
    return max(1, round(height * MAX_SIDE / longest)), max(1, round(width * MAX_SIDE / longest))


def _image_stats(image: Pixels, extent: Extent, thumb: Pixels) -> ImageStats:
    extremes = np.stack([image.min(axis=(0, 1)), image.max(axis=(0, 1))]).astype(np.float32)
    spread, kind = float((extremes[1] - extremes[0]).max()), sys.intern(str(image.dtype))
    near = difference_hash(thumb) if np.ptp(thumb) >= BLANK_SPREAD else None
    return ImageStats(_digest(extent, image), near, spread, kind, extremes)


def _digest(size: tuple[int, ...], pixels: Pixels) -> bytes:
    return hashlib.blake2b(repr(size).encode() + pixels.tobytes(), digest_size=16).digest()


def _mask_stats(mask: Pixels, extent: Extent, dataset: Dataset) -> MaskStats:
    task = dataset.task
    counts, pixels = _count(mask, task)
    foreground = (mask == 1) if task.kind == "binary" else np.zeros((1, 1), bool)
    height, width = foreground.shape
    centre = foreground[height // 4 : height - height // 4, width // 4 : width - width // 4]
    border = np.concatenate([foreground[0], foreground[-1], foreground[:, 0], foreground[:, -1]])
    between, jumps, rims = _interpolation(mask, task)
    size = dataset.fit.content(extent) if dataset.fit else extent
    is_smaller = size[0] < mask.shape[0] or size[1] < mask.shape[1]
    resized = _count(resize_mask(mask, size).astype(np.uint8), task)[0] if is_smaller else counts
    return MaskStats(
        digest=_digest(mask.shape, mask),
        counts=counts,
        pixels=pixels,
        ignored=0 if task.kind == "multilabel" else mask.size - pixels,
        border=float(border.mean()),
        centre=float(centre.mean()) if centre.size else 0.0,
        solid=_shared(_solid_values(mask) if task.kind == "multiclass" else frozenset()),
        between=between,
        jumps=jumps,
        rims=_shared(rims),
        lost=tuple(label for label, count in enumerate(counts) if count and not resized[label]),
    )


def _count(mask: Pixels, task: Task) -> tuple[tuple[int, ...], int]:
    """Pixels of every class, and the number of pixels that are not ignored."""
    if task.kind == "multilabel":
        return tuple((mask == 1).sum(axis=(0, 1)).tolist()), mask.shape[0] * mask.shape[1]
    counts = tuple(np.bincount(mask.ravel(), minlength=256).tolist()[: max(2, len(task.classes))])
    return counts, sum(counts)


def _interpolation(mask: Pixels, task: Task) -> tuple[int, int, frozenset[int]]:
    """`between`, `jumps` and `rims`: an interpolated mask passes through all values and never jumps."""
    if task.kind != "multiclass" or len(task.classes) < 3 or min(mask.shape) <= 2 * _RIM:
        return 0, 0, frozenset()
    between = jumps = 0
    rims: set[int] = set()
    values = mask.astype(np.int16)
    for grid in (values, values.T):
        if task.ignore_index is not None:
            grid = np.where(grid == task.ignore_index, grid[:1, :1], grid)
        jumps += int((np.abs(np.diff(grid, axis=1)) > 1).sum())
        middle = grid[:, _RIM:-_RIM]
        inside = np.zeros(middle.shape, bool)
        for step in range(1, _RIM + 1):
            left = grid[:, _RIM - step : grid.shape[1] - _RIM - step]
            right = grid[:, _RIM + step : grid.shape[1] - _RIM + step]
            inside |= (np.minimum(left, right) < middle) & (middle < np.maximum(left, right))
        between += int(inside.sum())
        rims.update(np.unique(middle[inside]).tolist())
    return between, jumps, frozenset(rims)


def _solid_values(mask: Pixels) -> frozenset[int]:
    """Values of the pixels that equal all eight neighbours."""
    solid = np.ones((max(mask.shape[0] - 2, 0), max(mask.shape[1] - 2, 0)), bool)
    inner = mask[1:-1, 1:-1]
    for row in range(3):
        for column in range(3):
            solid &= mask[row : row + solid.shape[0], column : column + solid.shape[1]] == inner
    return frozenset(np.unique(inner[solid]).tolist())

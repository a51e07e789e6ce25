"""What is kept of a sample once it was read: little, so that very many of them find room."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from segkit.analysis.dataset.subject import Subject
from segkit.core.errors import DataError, Problem, SegkitError
from segkit.core.types import Pixels, Sample, Task
from segkit.data.decoding import MAX_THREADS
from segkit.data.images import Extent, Header, read_header
from segkit.data.pairing import check_extent
from segkit.data.resize import resize_image, resize_mask

Progress = Callable[[str, int, int], None]

MAX_SIDE = 512  # pixels of the longer side: larger images are judged at this size
THUMB = 32  # pixels of a side: what two images are compared by
FLAT = 8  # of 255: an image whose pixels differ by less shows nothing
_WIDE = 2  # pixels to each side in which the values of other classes make a rim of a pixel
_AT_ONCE = 512  # samples that wait for a thread


@dataclass(frozen=True, slots=True)
class ImageLook:
    """What is kept of an image.

    Args:
        digest: of its pixels, at the size that it was judged at, and of its true size.
        thumb: (THUMB, THUMB), grey.
        spread: between its darkest and its brightest pixel.
    """

    digest: bytes
    thumb: Pixels
    spread: int


@dataclass(frozen=True, slots=True)
class MaskLook:
    """What is kept of a mask, or of all masks of an image.

    Args:
        digest: of its pixels, at the size that it was judged at.
        counts: pixels of every class: (background, foreground) for binary, those that are set for multilabel.
        pixels: how many count at all, those to ignore left out.
        border: the share of its outermost pixels that are foreground.
        centre: the share of its middle quarter that is foreground.
        solid: values that fill an area somewhere, rather than lines.
        between: pixels whose value lies between those that stand to both sides of it, near by.
        jumps: how often two values that are not neighbours stand beside each other.
        rims: the values that stand between.
        lost: classes that have no pixel left at the size of the recipe.
    """

    digest: bytes
    counts: tuple[int, ...]
    pixels: int
    border: float
    centre: float
    solid: frozenset[int]
    between: int
    jumps: int
    rims: frozenset[int]
    lost: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SampleStats:
    """A sample that was read, or could not be.

    Args:
        headers: of its files, image first; None for one that is no image file.
        problems: why it could not be read.
    """

    split: str
    sample: Sample
    headers: tuple[Header | None, ...]
    problems: tuple[Problem, ...] = ()
    image: ImageLook | None = None
    mask: MaskLook | None = None

    @property
    def file(self) -> str:
        """The image's, or the sample's name where there is none."""
        return str(self.sample.files[0]) if self.sample.files else self.sample.name

    @property
    def masks(self) -> tuple[str, ...]:
        """The files of its masks, or the sample's name where there are none."""
        return tuple(map(str, self.sample.files[1:])) or (self.file,)


def look_at_all(subject: Subject, on_progress: Progress) -> list[SampleStats]:
    """Read every sample once, several at a time."""
    looks: list[SampleStats] = []
    for split, samples in subject.splits.items():
        # Set once out here, as filters are one state for all threads: Pillow warns of harmless oddities.
        with warnings.catch_warnings(), ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as pool:
            warnings.simplefilter("ignore")
            look_at = partial(_look_at, split, subject)
            for start in range(0, len(samples), _AT_ONCE):
                found = pool.map(look_at, samples[start : start + _AT_ONCE])
                for done, look in enumerate(found, start=start + 1):
                    looks.append(look)
                    on_progress(f"{split} images", done, len(samples))
    return looks


def read_small(sample: Sample, header: Header | None) -> tuple[Pixels, Pixels, Extent]:
    """Image and mask at the size that they are judged at, and their true size.

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


def header_of(file: Path) -> Header | None:
    """None of a file that cannot be read, or is no image: a source of one's own may read anything."""
    try:
        return read_header(file)
    except DataError:
        return None


def _look_at(split: str, subject: Subject, sample: Sample) -> SampleStats:
    headers = tuple(map(header_of, sample.files))
    try:
        image, mask, extent = read_small(sample, headers[0] if headers else None)
    except SegkitError as error:
        return SampleStats(split, sample, headers, error.problems)
    except Exception as error:  # of a source of one's own: one sample's fault ends no examination
        file = str(sample.files[0]) if sample.files else sample.name
        problem = f"the source fails to read it: {type(error).__name__}: {error}"
        return SampleStats(split, sample, headers, (Problem(problem, file, kind="unreadable"),))
    return SampleStats(split, sample, headers, (), _of_image(image, extent), _of_mask(mask, subject))


def _bounded(extent: Extent) -> Extent:
    height, width = extent
    most = max(height, width, MAX_SIDE)
    return max(1, round(height * MAX_SIDE / most)), max(1, round(width * MAX_SIDE / most))


def _of_image(image: Pixels, extent: Extent) -> ImageLook:
    small = resize_image(image[..., :3], (THUMB, THUMB)).mean(axis=-1).round().astype(np.uint8)
    digest = hashlib.blake2b(repr(extent).encode() + np.ascontiguousarray(image).tobytes(), digest_size=16)
    return ImageLook(digest.digest(), small, int(image.max()) - int(image.min()))


def _of_mask(mask: Pixels, subject: Subject) -> MaskLook:
    task = subject.task
    counts, pixels = _counts(mask, task)
    foreground = (mask == 1) if task.kind == "binary" else np.zeros((1, 1), bool)
    height, width = foreground.shape
    middle = foreground[height // 4 : height - height // 4, width // 4 : width - width // 4]
    frame = np.concatenate([foreground[0], foreground[-1], foreground[:, 0], foreground[:, -1]])
    between, jumps, rims = _steps(mask, task)
    left, _ = _counts(resize_mask(mask, subject.size).astype(np.uint8), task) if subject.size else (counts, 0)
    return MaskLook(
        digest=hashlib.blake2b(repr(mask.shape).encode() + mask.tobytes(), digest_size=16).digest(),
        counts=counts,
        pixels=pixels,
        border=float(frame.mean()),
        centre=float(middle.mean()) if middle.size else 0.0,
        solid=_solid(mask) if task.kind == "multiclass" else frozenset(),
        between=between,
        jumps=jumps,
        rims=rims,
        lost=tuple(label for label, count in enumerate(counts) if count and not left[label]),
    )


def _counts(mask: Pixels, task: Task) -> tuple[tuple[int, ...], int]:
    """Pixels of every class, and all that count."""
    if task.kind == "multilabel":
        set_ = tuple((mask == 1).sum(axis=(0, 1)).tolist())
        return set_, mask.shape[0] * mask.shape[1]
    found = np.bincount(mask.ravel(), minlength=256).tolist()
    known = tuple(found[: max(2, len(task.classes))])
    return known, sum(known)


def _steps(mask: Pixels, task: Task) -> tuple[int, int, frozenset[int]]:
    """`between`, `jumps` and `rims` of a mask: resized as pictures are, it jumps no more."""
    if task.kind != "multiclass" or len(task.classes) < 3 or min(mask.shape) <= 2 * _WIDE:
        return 0, 0, frozenset()
    between = jumps = 0
    rims: set[int] = set()
    values = mask.astype(np.int16)
    for grid in (values, values.T):
        if task.ignore_index is not None:
            grid = np.where(grid == task.ignore_index, grid[:1, :1], grid)
        jumps += int((np.abs(np.diff(grid, axis=1)) > 1).sum())
        middle = grid[:, _WIDE:-_WIDE]
        here = np.zeros(middle.shape, bool)
        for step in range(1, _WIDE + 1):
            before = grid[:, _WIDE - step : grid.shape[1] - _WIDE - step]
            after = grid[:, _WIDE + step : grid.shape[1] - _WIDE + step]
            here |= (np.minimum(before, after) < middle) & (middle < np.maximum(before, after))
        between += int(here.sum())
        rims.update(np.unique(middle[here]).tolist())
    return between, jumps, frozenset(rims)


def _solid(mask: Pixels) -> frozenset[int]:
    """Values of which some pixel has eight neighbours alike."""
    same = np.ones((max(mask.shape[0] - 2, 0), max(mask.shape[1] - 2, 0)), bool)
    inner = mask[1:-1, 1:-1]
    for row in range(3):
        for column in range(3):
            same &= mask[row : row + same.shape[0], column : column + same.shape[1]] == inner
    return frozenset(np.unique(inner[same]).tolist())

"""What a plan looks at: sizes of images, width of structures, classes, and the best score at each size."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from segkit.analysis.plan.ceiling import class_planes, dice_ceiling
from segkit.core.errors import DataError, Problem
from segkit.core.types import Pixels, Progress, Sample, Task
from segkit.data.class_counts import ClassCounts, count_classes
from segkit.data.decoding import MAX_THREADS
from segkit.data.fit import Fit
from segkit.data.large_arrays import subsampled
from segkit.data.preprocess import decode, layout_of
from segkit.data.readers.raster import Extent

if TYPE_CHECKING:
    from segkit.recipe.data_settings import DataSettings

MAX_IMAGES = 100
MAX_SIDE = 4096  # pixels; of a larger mask, a region of this side is measured
_MAX_PIXELS = 2**27  # of all images together; after these no more are read
_MAX_PLANES = 2**26  # pixels times classes of the masks whose ceilings are measured
_COARSE = 512  # pixels of a side, about, of what tells where in the image classes are
_NATIVE = Fit("crop", (8, 8))  # its images and masks keep their size


@dataclass(frozen=True)
class Measurements:
    """Numbers that a plan is made of.

    Args:
        images: number of images by split.
        extents: (height, width) of the training images that were read; the other numbers are theirs.
        types: types of their numbers.
        channels: channels that the model gets.
        task: kind of masks, classes and ignored value.
        classes: pixels and images of each class.
        structure_width: pixels; half of the foreground is in masks of a class whose structures are wider.
            4 x area / perimeter: the side of a square, twice the width of a long line. Foreground is
            any class of a binary or multilabel task, any but the first of a multiclass one.
        upper: share of each class's pixels that lies in the upper half of the images; 0.5 if it has none.
        left: share in the left half, likewise.
    """

    images: Mapping[str, int]
    extents: Sequence[Extent]
    types: frozenset[str]
    channels: int
    task: Task
    classes: ClassCounts
    structure_width: float
    upper: Sequence[float]
    left: Sequence[float]

    @property
    def foreground(self) -> dict[str, float]:
        """Share of the pixels of each class that the model tells apart."""
        return dict([*self.classes.fractions.items()][-self.task.channels :])

    @property
    def regions(self) -> int:
        """Number of masks of which a region was measured, as they are larger than `MAX_SIDE`."""
        return sum(max(extent) > MAX_SIDE for extent in self.extents)


@dataclass(frozen=True)
class MaskRegion:
    """A mask, or a part of it if it is very large, and the size of the whole."""

    pixels: Pixels
    extent: Extent


@dataclass(frozen=True)
class _ImageNumbers:
    region: MaskRegion
    dtype: str
    counts: ClassCounts
    outlines: npt.NDArray[np.int64]  # (2, K): area and perimeter of each class in the foreground
    halves: npt.NDArray[np.int64]  # (3, K): pixels of each class in all, in the upper and in the left half


def measure(
    splits: Mapping[str, Sequence[Sample]], data: DataSettings, on_progress: Progress
) -> tuple[Measurements, list[MaskRegion]]:
    """Read up to 100 training images, evenly spaced, and keep their masks to measure ceilings.

    Raises:
        DataError: with the problems of all files that cannot be read; if no mask has foreground.
    """
    samples, task = splits["train"], data.goal
    chosen = [samples[i] for i in np.linspace(0, len(samples) - 1, min(MAX_IMAGES, len(samples))).astype(int)]
    # Every fourth first, so that those read until the limit of pixels come from the whole set.
    numbers = _read([*chain(*(chosen[first::4] for first in range(4)))], data, on_progress)
    counts = _total([item.counts for item in numbers])
    pixels = counts.pixels[-task.channels :]
    if not any(pixels[1:] if task.kind == "multiclass" else pixels):
        problem = f"none of {len(numbers):,} training masks has foreground: all pixels are {counts.names[0]}"
        hint = "segkit data check tells what the masks hold"
        raise DataError(problem, where=str(chosen[0].files[-1] if chosen[0].files else ""), hint=hint)
    total, *halves = np.sum([item.halves for item in numbers], axis=0)
    upper, left = np.where(total > 0, halves / np.maximum(total, 1), 0.5)
    measurements = Measurements(
        images={split: len(found) for split, found in splits.items()},
        extents=[item.region.extent for item in numbers],
        types=frozenset(item.dtype for item in numbers),
        channels=data.in_channels,
        task=task,
        classes=counts,
        structure_width=_structure_width(np.concatenate([item.outlines for item in numbers], axis=1)),
        upper=upper.tolist(),
        left=left.tolist(),
    )
    return measurements, [item.region for item in numbers]


def measure_ceilings(
    masks: Sequence[MaskRegion], fits: Sequence[Fit], task: Task, on_progress: Progress
) -> dict[Fit, float]:
    """Dice of a perfect model by fit: the mean over classes, of each class over the masks that show it.

    Of many large masks of many classes, the first ones are measured.
    """
    found: dict[Fit, float] = {}
    sizes = np.cumsum(
        [mask.pixels.size * (1 if task.kind == "multilabel" else task.channels) for mask in masks]
    )
    masks = masks[: max(1, int((sizes <= _MAX_PLANES).sum()))]
    with ThreadPoolExecutor(_threads()) as pool:
        for done, fit in enumerate(fits, start=1):
            scores = np.array([*pool.map(partial(_ceiling, fit=fit, task=task), masks)])
            of_classes = [column[~np.isnan(column)] for column in scores.T]
            found[fit] = float(np.mean([column.mean() for column in of_classes if len(column)]))
            on_progress("best possible scores", done, len(fits))
    return found


def _threads() -> int:
    return min(MAX_THREADS, os.cpu_count() or 1)


def _ceiling(mask: MaskRegion, fit: Fit, task: Task) -> npt.NDArray[np.float64]:
    height, width = mask.pixels.shape[:2]
    content = fit.content(mask.extent)
    part = (
        max(1, round(content[0] * height / mask.extent[0])),
        max(1, round(content[1] * width / mask.extent[1])),
    )
    return dice_ceiling(mask.pixels, part, task)


def _read(samples: Sequence[Sample], data: DataSettings, on_progress: Progress) -> list[_ImageNumbers]:
    numbers: list[_ImageNumbers] = []
    problems: list[Problem] = []
    pixels = 0
    # Pillow warns of harmless oddities; filters are global state, so they are set outside the threads.
    with warnings.catch_warnings(), ThreadPoolExecutor(_threads()) as pool:
        warnings.simplefilter("ignore")
        for start in range(0, len(samples), _threads()):
            batch = samples[start : start + _threads()]
            for item in pool.map(partial(_numbers_or_problems, data=data), batch):
                if isinstance(item, _ImageNumbers):
                    numbers.append(item)
                    pixels += item.region.extent[0] * item.region.extent[1]
                else:
                    problems += item
            on_progress("training images", start + len(batch), len(samples))
            if pixels > _MAX_PIXELS:
                on_progress("training images", len(samples), len(samples))
                break
    if problems:
        raise DataError.of(problems)
    return numbers


def _numbers_or_problems(sample: Sample, data: DataSettings) -> _ImageNumbers | Sequence[Problem]:
    task = data.goal
    try:
        image, mask = decode(sample, layout_of(_NATIVE, task, data.in_channels), data.bands, task=task)
    except DataError as error:
        return error.problems
    height, width = mask.shape[:2]
    step = max(1, max(height, width) // _COARSE)
    coarse = class_planes(subsampled(mask, step), task)
    middle = coarse.shape[1] // 2, coarse.shape[2] // 2
    halves = [part.sum(axis=(1, 2)) for part in (coarse, coarse[:, : middle[0]], coarse[:, :, : middle[1]])]
    region = _region(mask, np.argwhere(_foreground(coarse, task).any(axis=0)) * step)
    return _ImageNumbers(
        region=MaskRegion(region, (height, width)),
        dtype=str(image.dtype),
        counts=count_classes([mask], task),
        outlines=_outlines(_foreground(class_planes(region, task), task)),
        halves=np.array(halves),
    )


def _foreground(planes: npt.NDArray[np.bool_], task: Task) -> npt.NDArray[np.bool_]:
    return planes[1:] if task.kind == "multiclass" else planes


def _region(mask: Pixels, foreground: npt.NDArray[np.intp]) -> Pixels:
    """The mask, or a copy of the part around the middle of these points (N, 2) if it is very large."""
    if max(mask.shape[:2]) <= MAX_SIDE:
        return mask
    middle = np.median(foreground, axis=0) if len(foreground) else np.array(mask.shape[:2]) / 2
    top, left = (
        int(np.clip(centre - MAX_SIDE / 2, 0, max(0, side - MAX_SIDE)))
        for centre, side in zip(middle, mask.shape, strict=False)
    )
    return mask[top : top + MAX_SIDE, left : left + MAX_SIDE].copy()


def _outlines(planes: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    rows, columns = planes[:, 1:] != planes[:, :-1], planes[:, :, 1:] != planes[:, :, :-1]
    perimeters = rows.sum(axis=(1, 2)) + columns.sum(axis=(1, 2))
    return np.stack([planes.sum(axis=(1, 2)), perimeters])


def _structure_width(outlines: npt.NDArray[np.int64]) -> float:
    areas, perimeters = outlines[:, outlines[0] > 0]
    # A mask that is filled by a class has no perimeter; its width is that of the mask.
    widths = np.minimum(4 * areas / np.maximum(perimeters, 1), np.sqrt(areas))
    order = np.argsort(widths)
    half = np.searchsorted(np.cumsum(areas[order]), areas.sum() / 2)
    return float(widths[order][half])


def _total(counts: Sequence[ClassCounts]) -> ClassCounts:
    def summed(rows: Any) -> tuple[int, ...]:
        return tuple(map(sum, zip(*rows, strict=True)))

    return ClassCounts(
        counts[0].names,
        summed(item.pixels for item in counts),
        summed(item.images for item in counts),
        summed(item.known for item in counts),
        sum(item.ignored for item in counts),
    )

"""How many pixels and images each class has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segkit.core.errors import Problem
from segkit.core.types import Pixels, Task
from segkit.data.labels import BACKGROUND
from segkit.data.large_arrays import strips

_FEW = 16  # classes, up to which comparisons are faster than a histogram


@dataclass(frozen=True)
class ClassCounts:
    """Pixels and images of each class in some masks.

    Args:
        names: names of the classes, with the background of a binary task.
        pixels: pixels of each class.
        images: images that show it.
        known: pixels that are not ignored; the same for all classes, unless they are multilabel.
        ignored: number of ignored pixels; for multilabel the sum over classes.
    """

    names: tuple[str, ...]
    pixels: tuple[int, ...]
    images: tuple[int, ...]
    known: tuple[int, ...]
    ignored: int

    @property
    def fractions(self) -> dict[str, float]:
        """Share of each class in the pixels that are not ignored; 0 if there are none."""
        rows = zip(self.names, self.pixels, self.known, strict=True)
        return {name: pixels / max(known, 1) for name, pixels, known in rows}

    def as_json(self) -> dict[str, dict[str, float]]:
        """Pixels, images and fraction by class."""
        return {
            name: {"pixels": pixels, "images": images, "fraction": self.fractions[name]}
            for name, pixels, images in zip(self.names, self.pixels, self.images, strict=True)
        }


def counted_names(task: Task) -> tuple[str, ...]:
    """Names of the classes that are counted: also the background of a binary task."""
    return (BACKGROUND, *task.classes) if task.kind == "binary" else task.classes


def count_classes(masks: Iterable[Pixels], task: Task) -> ClassCounts:
    """Count the pixels of masks (H, W), or (H, W, K) for multilabel, of the task's integers."""
    names = counted_names(task)
    pixels, images, known = np.zeros((3, len(names)), np.int64)
    ignored = 0
    for mask in masks:
        counted = [_count(mask[rows], task, len(names)) for rows in strips(mask)]
        count, valid = np.sum(counted, axis=0)
        pixels += count
        images += count > 0
        known += valid
        ignored += mask.size - int(valid.sum() if task.kind == "multilabel" else valid[0])
    return ClassCounts(names, tuple(pixels.tolist()), tuple(images.tolist()), tuple(known.tolist()), ignored)


def mixture_problem(counts: ClassCounts, task: Task) -> Problem | None:
    """What is wrong with masks of one class and ignored pixels, such as 0 and 255 where 255 is ignored."""
    present = [name for name, pixels in zip(counts.names, counts.pixels, strict=True) if pixels]
    if task.kind == "multilabel" or not counts.ignored or len(present) > 1:
        return None
    first, *_ = present or counts.names
    other = next(name for name in counts.names if name != first)
    ignored, value = task.ignore_index, counts.names.index(other)
    return Problem(
        f"the masks hold only {' and '.join([*present, 'pixels to ignore'])}: there is nothing to learn",
        hint=f"if {ignored} is {other}, set data.labels: {{{first}: 0, {other}: {ignored}}} and leave out "
        f"data.ignore_index; or save {other} as {value}",
        kind="labels",
    )


def _count(mask: Pixels, task: Task, classes: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Pixels of each class, and pixels that are not ignored."""
    if task.kind == "multilabel":
        return (mask == 1).sum(axis=(0, 1)), (mask <= 1).sum(axis=(0, 1))
    if classes <= _FEW:
        count = np.array([np.count_nonzero(mask == value) for value in range(classes)])
    else:
        count = np.bincount(mask.ravel(), minlength=256)[:classes]
    return count, np.full(classes, count.sum())

"""Where the pixels of each class are: counts in blocks of the training masks, made once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil

import numpy as np
import numpy.typing as npt

from segkit.core.types import Pixels, Task
from segkit.data.class_counts import counted_names

_SIDE, _ACROSS = 64, 64  # pixels of a block's side; blocks of an image's longer side, if it needs larger ones


class ClassBlocks:
    """Pixels of each class in blocks of masks, from which pixels are drawn without reading whole masks.

    A target is the index of a class in `counted_names(task)`, or `anything`.

    Args:
        masks: masks (H, W) or (H, W, K) of any sizes.
        task: kind of masks and classes.
        targets: targets of which pixels will be drawn.

    Attributes:
        anything: the target of any foreground: any class of a binary or multilabel task, any but the first of
            a multiclass one.
        shows: (targets, images), whether an image has pixels of a target, for every target.
    """

    def __init__(self, masks: Iterable[Pixels], task: Task, targets: Sequence[int] = ()) -> None:
        self.task = task
        self.anything = len(counted_names(task))
        blocks, sums, shows = [], [], []
        self._first: dict[tuple[int, int], tuple[int, int]] = {}
        length = 0
        for image, mask in enumerate(masks):
            counts = _block_counts(mask, task, self.anything)
            shows.append(counts.any(axis=0))
            for target in targets:
                (found,) = np.nonzero(counts[:, target])
                self._first[image, target] = length, length + len(found)
                length += len(found)
                blocks.append(found.astype(np.uint16))
                sums.append(counts[found, target].cumsum().astype(np.uint32))
        self.shows: npt.NDArray[np.bool_] = np.array(shows).T
        self._blocks = np.concatenate(blocks) if blocks else np.empty(0, np.uint16)
        self._sums = np.concatenate(sums) if sums else np.empty(0, np.uint32)

    def draw(self, image: int, target: int, mask: Pixels, rng: np.random.Generator) -> tuple[int, int]:
        """(row, column) of a pixel, drawn uniformly over all pixels of the target in an image.

        Args:
            image: index of the image; it must show the target.
            target: one of the constructor's `targets`.
            mask: its mask, of which one block is read.
            rng: random generator.
        """
        first, last = self._first[image, target]
        sums = self._sums[first:last]
        number = int(rng.integers(sums[-1]))
        found = int(np.searchsorted(sums, number, side="right"))
        side = _side(mask)
        row, column = divmod(int(self._blocks[first + found]), ceil(mask.shape[1] / side))
        top, left = row * side, column * side
        block = self.pixels(mask[top : top + side, left : left + side], target)
        inside = np.flatnonzero(block)[number - (int(sums[found - 1]) if found else 0)]
        down, right = divmod(int(inside), block.shape[1])
        return top + down, left + right

    def pixels(self, mask: Pixels, target: int) -> npt.NDArray[np.bool_]:
        """(H, W), the pixels of a mask that belong to a target."""
        is_any = target == self.anything
        found: npt.NDArray[np.bool_]
        if self.task.kind == "multilabel":
            found = (mask == 1).any(axis=2) if is_any else mask[..., target] == 1
        else:
            found = (mask > 0) & (mask < self.anything) if is_any else mask == target
        return found


def _side(mask: Pixels) -> int:
    return max(_SIDE, ceil(int(max(mask.shape[:2])) / _ACROSS))


def _block_counts(mask: Pixels, task: Task, classes: int) -> npt.NDArray[np.int64]:
    """(blocks, classes + 1): pixels of each class, and of any foreground; blocks row by row."""
    side = _side(mask)
    columns = np.arange(0, mask.shape[1], side)
    block_of_column = 256 * (np.arange(mask.shape[1]) // side)
    rows = []
    for top in range(0, len(mask), side):
        strip = mask[top : top + side]
        if task.kind == "multilabel":
            is_class = strip == 1
            planes = np.concatenate([is_class, is_class.any(axis=2, keepdims=True)], axis=2)
            counts = np.add.reduceat(planes.sum(axis=0), columns)
        else:
            pixels = np.bincount((strip + block_of_column).ravel(), minlength=256 * len(columns))
            counts = pixels.reshape(-1, 256)[:, :classes]
            counts = np.concatenate([counts, counts[:, 1:].sum(axis=1, keepdims=True)], axis=1)
        rows.append(counts)
    return np.concatenate(rows)
